"""Fixed-point sums: integers, so that the order of the clients and of the ranks is nothing."""

from __future__ import annotations

import math

import numpy as np

from hpcfl.kernels.flags import exact, exact_part
from hpcfl.kernels.lent import lent

BLOCK = 2048  # coordinates whose sums stay in cache while the clients pass by
WHOLE = 2.0**52  # from here on floats are whole numbers


@exact_part
def nearest(x):
    """Return the whole number nearest to `x`, the even one of two, as np.rint does, in code that vectorizes."""
    shift = math.copysign(WHOLE, x)
    return (x + shift) - shift if abs(x) < WHOLE else x


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
    v, out = lent(v), lent(out)
    for start in range(0, out.size, BLOCK):
        stop = min(start + BLOCK, out.size)
        for c in range(v.shape[0]):
            if weights[c] != 0.0:
                factor = weights[c] * scale
                row, sums = v[c, start:stop], out[start:stop]
                for j in range(sums.size):
                    sums[j] += np.int64(nearest(np.float64(row[j]) * factor))


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
