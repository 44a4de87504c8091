"""Two thin factors of a matrix by power iteration, without BLAS: its bits would depend on its threads."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import jit


@jit
def factor(matrix, iterations, right, left):
    """Write the factors of each sender's matrix: ``matrix ~ left.T @ right``.

    Parameters
    ----------
    matrix : (c, n, m) float
    iterations : int
    right : (c, r, m) float
        Start; overwritten by the second factor.
    left : (c, r, n) float
        Output: orthonormal rows, zero where the matrix has no such rank.
    """
    tiny = np.sqrt(np.finfo(left.dtype).eps)
    for c in range(matrix.shape[0]):
        for _ in range(iterations):
            for k in range(left.shape[1]):
                for i in range(matrix.shape[1]):
                    total = left.dtype.type(0)
                    for j in range(matrix.shape[2]):
                        total += matrix[c, i, j] * right[c, k, j]
                    left[c, k, i] = total
            for k in range(left.shape[1]):
                before, after = 0.0, 0.0
                for i in range(left.shape[2]):
                    before += left[c, k, i] * left[c, k, i]
                for q in range(k):
                    along = left.dtype.type(0)
                    for i in range(left.shape[2]):
                        along += left[c, k, i] * left[c, q, i]
                    for i in range(left.shape[2]):
                        left[c, k, i] -= along * left[c, q, i]
                for i in range(left.shape[2]):
                    after += left[c, k, i] * left[c, k, i]
                scale = 1 / np.sqrt(after) if after > before * tiny * tiny else 0.0
                for i in range(left.shape[2]):
                    left[c, k, i] *= left.dtype.type(scale)
            right[c] = 0
            for i in range(matrix.shape[1]):
                for k in range(left.shape[1]):
                    for j in range(matrix.shape[2]):
                        right[c, k, j] += left[c, k, i] * matrix[c, i, j]


@jit
def expand(left, right, out):
    """Write ``left.T @ right`` of each sender to `out` (c, n, m)."""
    out[:] = 0
    for c in range(out.shape[0]):
        for i in range(out.shape[1]):
            for k in range(left.shape[1]):
                for j in range(out.shape[2]):
                    out[c, i, j] += left[c, k, i] * right[c, k, j]
