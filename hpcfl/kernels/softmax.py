"""Softmax regression on dense rows; `spec` and arguments as in `network`."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels import narrow, network, thin
from hpcfl.kernels.flags import jit
from hpcfl.kernels.layers import backward, forward
from hpcfl.kernels.lent import lent
from hpcfl.kernels.loss import SOFTMAX, derivative
from hpcfl.kernels.views import matrix


def work_size(spec: np.ndarray, rows: int) -> int:
    """Return the scratch elements that the kernels need for batches of `rows` rows."""
    return max(network.work_size(spec, rows), thin.work_size(int(spec[2]), int(spec[3]), rows))


@jit
def loss_grad(w, x, y, rows, affine, spec, work, grad):
    """Return the loss and write the gradient, in the way that suits so many rows and classes."""
    w, x, y, rows = lent(w), lent(x), lent(y), lent(rows)
    affine, spec, work, grad = lent(affine), lent(spec), lent(work), lent(grad)
    if affine.size == 0 and narrow.serves(spec[3], rows.size, x, w):
        return narrow.softmax_grad(w, x, y, rows, spec[3], grad)
    if thin.serves(spec[3], rows.size, x, w):
        return thin.softmax_grad(w, x, y, rows, affine, work, grad)
    loss, k = 0.0, spec[3]
    if rows.size == 0:
        grad[:] = 0
    for start in range(0, rows.size, network.CHUNK):  # as in `network`: a part of both would be compiled once more
        batch = rows[start : start + network.CHUNK]
        at = forward(w, x, batch, affine, spec, work)
        loss += derivative(SOFTMAX, matrix(work, at, batch.size, k), y, batch)
        backward(w, spec, batch.size, work, at, spec[:0], start > 0, grad)
    return loss
