"""Fixed-point sums: integers, so that the order of the clients and of the ranks is nothing."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import exact

BLOCK = 2048  # coordinates whose sums stay in cache while the clients pass by


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
    for start in range(0, out.size, BLOCK):
        stop = min(start + BLOCK, out.size)
        for c in range(v.shape[0]):
            if weights[c] != 0.0:
                factor = weights[c] * scale
                for j in range(start, stop):
                    out[j] += np.int64(np.rint(np.float64(v[c, j]) * factor))


@exact
def largest(bits, mask, out):
    """Write the largest magnitude of each row of `bits` (c, P) to `out` (c,), all of them bits of floats.

    `mask` leaves the sign out. What is left is in the order of the magnitudes, infinity after all numbers and NaN
    last; and integers are compared many at a time, which floats are not, as one of them may be NaN.
    """
    for c in range(bits.shape[0]):
        top = bits[c, 0] & mask
        for j in range(1, bits.shape[1]):
            top = max(top, bits[c, j] & mask)
        out[c] = top
