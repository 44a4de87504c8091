"""Checks of a model: its gradient by finite differences, its layout, its predictions."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpcfl.matrix.subject import Subject
from hpcfl.seeding import stream

N, D, CLASSES = 9, 12, 3  # rows; columns, unless the model says that it takes another number of them


def _problem(subject: Subject) -> tuple[Any, int, np.ndarray, np.ndarray, np.ndarray]:
    """Return the part, its outputs, rows, targets with weights, and parameters that are no special point."""
    part, rng = subject.part(), np.random.default_rng(0)
    d = getattr(part, "columns", D)
    task = getattr(part, "task", "") or "classification"
    k = part.outputs(CLASSES if task == "classification" else 0)
    y = np.column_stack([np.arange(N) % (2 if k == 1 else CLASSES), rng.uniform(0.5, 2.0, N)]).astype(float)
    if task == "regression":
        y[:, 0] = rng.standard_normal(N)
    w = part.layout(d, k).zeros(np.float64)
    part.init(stream(0, "check"), part.layout(d, k).views(w))
    return part, k, rng.standard_normal((N, d)), y, w + 0.1 * rng.standard_normal(w.size)


def _loss(part: Any, k: int, x: np.ndarray, y: np.ndarray, w: np.ndarray, rows: np.ndarray, grad: np.ndarray) -> float:
    d = x.shape[1]
    work = np.empty(part.work(d, k, N))
    return float(part.loss_grad(False)(w, x, y, rows, np.empty((2, 0)), part.spec(d, k), work, grad))


def check_gradient(subject: Subject) -> None:
    """The gradient is the slope of the loss, coordinate by coordinate."""
    part, k, x, y, w = _problem(subject)
    rows, grad, spare = np.arange(N, dtype=np.int32), np.zeros_like(w), np.zeros_like(w)
    _loss(part, k, x, y, w, rows, grad)
    assert np.abs(grad).max() > 1e-3, "the gradient is 0 at a random point"
    some = np.random.default_rng(1).permutation(w.size)[:60]
    for j in some:
        step = np.zeros_like(w)
        step[j] = 1e-6
        up, down = (_loss(part, k, x, y, w + s, rows, spare) for s in (step, -step))
        slope = (up - down) / 2e-6
        assert abs(slope - grad[j]) < 1e-4 * (1 + abs(slope)), f"coordinate {j}: {grad[j]:.6g}, slope {slope:.6g}"


def check_sums(subject: Subject) -> None:
    """Loss and gradient are sums over rows: two halves add up to the whole."""
    part, k, x, y, w = _problem(subject)
    grads, losses = np.zeros((3, w.size)), []
    for i, rows in enumerate((np.arange(N), np.arange(4), np.arange(4, N))):
        losses.append(_loss(part, k, x, y, w, rows.astype(np.int32), grads[i]))
    assert abs(losses[0] - losses[1] - losses[2]) < 1e-9 * (1 + abs(losses[0])), "the loss is no sum over rows"
    assert np.abs(grads[0] - grads[1] - grads[2]).max() < 1e-9, "the gradient is no sum over rows"


def check_predictions(subject: Subject) -> None:
    """One finite prediction a row: probabilities of the classes, or a value."""
    part, k, x, _, w = _problem(subject)
    out = part.predictor({"w": w}, {"features": x.shape[1], "outputs": k})(x)
    assert out.shape[0] == N, f"{out.shape[0]} predictions for {N} rows"
    assert np.isfinite(out).all(), "a prediction is not finite"
