"""Fixed-point sums: integers, so that the order of the clients and of the ranks is nothing."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import exact


@exact
def add_fixed(v, weights, scale, out):
    """Add ``round(weights[c] * v[c] * scale)`` over the clients to `out`.

    Parameters
    ----------
    v : (c, P) float32 or float64
    weights : (c,) float64
        0 leaves a client out, whatever its vector holds.
    scale : float
        A power of two.
    out : (P,) int64
    """
    for c in range(v.shape[0]):
        if weights[c] != 0.0:
            factor = weights[c] * scale
            for j in range(v.shape[1]):
                out[j] += np.int64(np.rint(np.float64(v[c, j]) * factor))


@exact
def largest(v, out):
    """Write the largest magnitude of each row of `v` (c, P) to `out` (c,); NaN counts as infinity."""
    for c in range(v.shape[0]):
        top, bad = 0.0, 0
        for j in range(v.shape[1]):
            a = abs(np.float64(v[c, j]))
            bad += a != a
            top = max(top, a)
        out[c] = np.inf if bad else top
