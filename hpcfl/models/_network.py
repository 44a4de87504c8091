"""What all models made of `kernels.network` share: kernels, scratch, prediction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hpcfl.kernels import loss, network, single, sparse
from hpcfl.layout import Layout

BLOCK = 1024  # rows that a predictor takes through the network at a time


def spec(kind: int, activation: int, widths: list[int]) -> np.ndarray:
    """Return the `spec` of a network: int64 (2 + len(widths),)."""
    return np.array([kind, activation, *widths], np.int64)


def work_size(spec: np.ndarray, rows: int) -> int:
    """Return the scratch elements for batches of `rows` rows."""
    return network.work_size(spec, rows)


def linear_layout(d: int, k: int) -> Layout:
    """Return the layout of a linear model: w (d, k) and b (k,)."""
    return Layout({"w": (d, k), "b": (k,)})


def loss_grad(is_sparse: bool) -> Any:
    """Return the kernel of a linear model with one output, for dense or CSR rows."""
    return sparse.loss_grad if is_sparse else single.loss_grad


def tree_grad(is_sparse: bool) -> Any:
    """Return the kernel that adds groups of dense rows in a tree; None for CSR rows."""
    return None if is_sparse else network.tree_grad


def scores(is_sparse: bool) -> Any:
    """Return the kernel of the raw outputs for dense or CSR rows."""
    return sparse.scores if is_sparse else network.scores


def predictor(arrays: dict[str, np.ndarray], spec: np.ndarray, dense: Any = network) -> Callable[[Any], np.ndarray]:
    """Return a function from rows (dense (n, d), for which `dense` has the kernels, or CSR) to outputs.

    Classification: probabilities (n, classes), for a squared hinge (1 - z, z) / 2 clipped to
    nothing, which is a score and no probability. Regression: (n, 1).
    """
    w = arrays["w"]
    affine = arrays.get("affine", np.empty((2, 0))).astype(w.dtype)

    def outputs(x: Any) -> np.ndarray:
        is_sparse = hasattr(x, "indptr")
        kernel = sparse.scores if is_sparse else dense.scores
        n = len(x.indptr) - 1 if is_sparse else len(x)
        work = np.empty(0 if is_sparse else dense.work_size(spec, min(n, BLOCK)), w.dtype)
        z = np.empty((n, int(spec[-1])), w.dtype)
        for start in range(0, n, BLOCK):
            rows = np.arange(start, min(start + BLOCK, n), dtype=np.int32)
            kernel(w, x, rows, affine, spec, work, z[start : start + rows.size])
        return link(int(spec[0]), z)

    return outputs


def link(kind: int, z: np.ndarray) -> np.ndarray:
    """Turn raw outputs (n, k) into probabilities or values; see `predictor`."""
    z = z.astype(np.float64)
    if kind == loss.SOFTMAX:
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return np.asarray(e / e.sum(axis=1, keepdims=True))
    if kind == loss.LOGISTIC:
        p = 0.5 * (1 + np.tanh(0.5 * z))
        return np.hstack([1 - p, p])
    if kind == loss.SQUARED_HINGE:
        return np.hstack([(1 - z) / 2, (1 + z) / 2])
    return z
