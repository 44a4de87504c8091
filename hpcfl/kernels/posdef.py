"""Small symmetric positive definite systems: the solve at the heart of alternating least squares."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import part

PANEL = 4


@part
def solve(a: np.ndarray, x: np.ndarray) -> None:
    """Solve one system in place by Cholesky, four rows at a time.

    Parameters
    ----------
    a : (p, p + 1) float
        The upper triangle of the matrix, and the right-hand side as its last column; p is a
        multiple of `PANEL`. Overwritten by the factor.
    x : (p,) float
        Output: the solution; not finite if the matrix is not positive definite.
    """
    p = a.shape[0]
    for c in range(0, p, 4):
        for r in range(c, c + 4):
            scale = 1 / (a[r, r] ** 0.5)
            for j in range(r, p + 1):
                a[r, j] *= scale
            for i in range(r + 1, c + 4):
                f = a[r, i]
                for j in range(i, p + 1):
                    a[i, j] -= f * a[r, j]
        # One pass over the rest for four rows: the loops are short, so fewer of them count.
        for i in range(c + 4, p):
            f0, f1, f2, f3 = a[c, i], a[c + 1, i], a[c + 2, i], a[c + 3, i]
            for j in range(i, p + 1):
                a[i, j] -= f0 * a[c, j] + f1 * a[c + 1, j] + f2 * a[c + 2, j] + f3 * a[c + 3, j]
    for i in range(p - 1, -1, -1):
        s = a[i, p]
        for j in range(i + 1, p):
            s -= a[i, j] * x[j]
        x[i] = s / a[i, i]
