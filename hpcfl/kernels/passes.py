"""Passes over vectors that the local loop makes between gradient and step."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import part


@part
def axpy(a, x, y):
    """Add ``a x`` to `y`."""
    a = y.dtype.type(a)
    for j in range(y.size):
        y[j] += a * x[j]


@part
def pull(a, anchor, x):
    """Move `x` towards `anchor` by the share `a` of their distance."""
    a = x.dtype.type(a)
    for j in range(x.size):
        x[j] += a * (anchor[j] - x[j])


@part
def clip(limit, grad):
    """Shorten `grad` to the L2 norm `limit`."""
    total = 0.0
    for j in range(grad.size):
        total += np.float64(grad[j]) * np.float64(grad[j])
    if total > limit * limit:
        scale = grad.dtype.type(limit / np.sqrt(total))
        for j in range(grad.size):
            grad[j] *= scale
