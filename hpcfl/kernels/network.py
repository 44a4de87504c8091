"""Fully connected networks on dense rows; with no hidden layer they are the linear models (see `single`, `softmax`).

`spec` is int64: loss, activation (0 ReLU, 1 tanh), then the widths (features, hidden ..., outputs).
The parameters lie layer by layer: weights (in, out), then biases (out,).
"""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.copies import copy
from hpcfl.kernels.flags import jit
from hpcfl.kernels.layers import backward, forward
from hpcfl.kernels.lent import lent
from hpcfl.kernels.loss import derivative
from hpcfl.kernels.matmul import STACK
from hpcfl.kernels.views import matrix

CHUNK = 512  # rows that are in work at a time: bounds the scratch memory of a full batch


def work_size(spec: np.ndarray, rows: int) -> int:
    """Return the scratch elements that the kernels need for batches of `rows` rows."""
    widths = [int(v) for v in spec[2:]]
    turned = max([a * b for a, b in zip(widths[1:-1], widths[2:], strict=True)], default=0)
    return min(rows, CHUNK) * (sum(widths) + 2 * max(widths[1:])) + turned + STACK


@jit
def loss_grad(w, x, y, rows, affine, spec, work, grad):
    """Return the loss summed over `rows` and write its gradient.

    Parameters
    ----------
    w : (P,) float
        Parameters.
    x : (n, d) number
        The table, in any stored dtype.
    y : (n, 2) float
        Target and weight of each row.
    rows : (m,) int32
        Rows of the batch.
    affine : (2, d) or (2, 0) float
        Shift and scale of each feature, or none.
    spec : (3 + layers,) int64
        See the module.
    work : (work_size,) float
        Scratch.
    grad : (P,) float
        Output: the weighted gradient, summed over the rows.
    """
    w, x, y, rows = lent(w), lent(x), lent(y), lent(rows)
    affine, spec, work, grad = lent(affine), lent(spec), lent(work), lent(grad)
    loss = 0.0
    if rows.size == 0:
        grad[:] = 0
    for start in range(0, rows.size, CHUNK):
        batch = rows[start : start + CHUNK]
        m = batch.size
        at = forward(w, x, batch, affine, spec, work)
        z = matrix(work, at, m, spec[spec.size - 1])
        loss += derivative(spec[0], z, y, batch)
        backward(w, spec, m, work, at, spec[:0], start > 0, grad)
    return loss


@jit
def tree_grad(w, x, y, rows, bounds, affine, spec, work, losses, grad):
    """Write the gradient of at most `CHUNK` rows, groups of them added in a binary tree.

    Parameters
    ----------
    bounds : (groups + 1,) int64
        Places in `rows` where a group starts; a power of two of groups.
    losses : (groups,) float
        Output: the loss summed over each group.
    w, x, y, rows, affine, spec, work, grad
        As in `loss_grad`, for networks with more than one output or layer.
    """
    m, k = rows.size, spec[spec.size - 1]
    at = forward(w, x, rows, affine, spec, work)
    z = matrix(work, at, m, k)
    for g in range(losses.size):
        lo, hi = bounds[g], bounds[g + 1]
        losses[g] = derivative(spec[0], z[lo:hi], y, rows[lo:hi])
    backward(w, spec, m, work, at, bounds, False, grad)


@jit
def scores(w, x, rows, affine, spec, work, out):
    """Write the raw outputs of `rows` into `out` (m, k); arguments as in `loss_grad`."""
    k = spec[spec.size - 1]
    for start in range(0, rows.size, CHUNK):
        batch = rows[start : start + CHUNK]
        m = batch.size
        at = forward(w, x, batch, affine, spec, work)
        copy(work[at : at + m * k], out[start : start + m].reshape(m * k))
