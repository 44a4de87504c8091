"""Checks of an aggregator, on stacks of updates."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpcfl.matrix.subject import Subject


def _combine(part: Any, v: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    weights = np.ones(len(v)) if weights is None else weights
    before = v.copy()
    out = np.asarray(part.combine(v, weights, np.zeros(v.shape[1]), lambda x: np.square(x).sum(axis=1)))
    assert (v == before).all(), "combine changes the updates"
    assert out.shape == v.shape[1:], f"combine returns {out.shape}, not {v.shape[1:]}"
    return out


def _stacks(subject: Subject) -> bool:
    return bool(getattr(subject.cls, "stack", True))


def _updates(part: Any, bad: int = 0) -> np.ndarray:
    """Return updates around 0.2 each, as many as the rule needs and some more, the last `bad` ones spoilt."""
    m = max(part.needs(), 2 * bad + 3, 9)
    v = 0.2 + 0.05 * np.random.default_rng(0).standard_normal((m, 12))
    v[m - bad :] = -40.0
    return v


def check_equal_updates(subject: Subject) -> None:
    """Updates that are all alike give this update (or, clipped, a part of the way there)."""
    if _stacks(subject):
        part = subject.part()
        out = _combine(part, np.full((max(part.needs(), 9), 3), 0.25))
        assert np.isfinite(out).all(), "combine is not finite"
        assert (out > 0).all() and (out <= 0.25 + 1e-9).all(), f"updates of 0.25 give {out}"  # noqa: PT018


def check_order(subject: Subject) -> None:
    """The order of the clients changes nothing."""
    if _stacks(subject):
        part, weights = subject.part(), np.linspace(1.0, 2.0, len(_updates(subject.part())))
        v = _updates(part)
        turn = np.random.default_rng(1).permutation(len(v))
        gap = np.abs(_combine(part, v, weights) - _combine(part, v[turn], weights[turn])).max()
        assert gap < 1e-9, f"another order of the updates moves the result by {gap:.2g}"


def check_breakdown(subject: Subject) -> None:
    """As many bad updates as the rule says it withstands (its `byzantine`, else 1) do not carry it off."""
    if _stacks(subject):
        part = subject.part()
        bad = max(int(getattr(part, "byzantine", 1)), 1)
        out = _combine(part, _updates(part, bad))
        assert np.abs(out - 0.2).max() < 1.0, f"{bad} bad updates of -40 move a result of 0.2 to {out.min():.3g}"
