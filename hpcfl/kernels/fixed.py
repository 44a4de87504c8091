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
def over(sums, divisor, out):
    """Write `sums` (P,) int64 over a number to `out` (P,) float64."""
    for j in range(out.size):
        out[j] = sums[j] / divisor


@exact
def within(v, bound, fine):
    """Turn `fine` (c,) bool off where a value of `v` (c, P) is not finite or larger than `bound`."""
    v, limit = lent(v), v.dtype.type(bound)
    for c in range(v.shape[0]):
        row, beyond = v[c], 0
        for j in range(row.size):  # NaN is not within; a count lets many be looked at at a time
            beyond += 0 if abs(row[j]) <= limit else 1
        fine[c] = fine[c] and beyond == 0


@exact
def settle(stats, fine):
    """Turn `fine` (c,) off where the loss, the first of `stats` (c, n), is not finite; clear what is not fine."""
    for c in range(fine.size):
        fine[c] = fine[c] and math.isfinite(stats[c, 0])
        if not fine[c]:
            stats[c] = 0.0


@exact
def shares(taken, rows, out):
    """Write the weight of each client in the mean of each model to `out` (models, c).

    Parameters
    ----------
    taken : (c, 2) float64
        1 for a client whose message counts, else 0; number of its model.
    rows : (c,) float64
        Its weight.
    """
    for m in range(out.shape[0]):
        for c in range(out.shape[1]):
            out[m, c] = rows[c] * taken[c, 0] if taken[c, 1] == m else 0.0


@exact
def weigh(taken, rows, out):
    """Write the weight of all clients in the mean of each model to `out` (2, models): their rows, their number.

    Arguments as in `shares`.
    """
    for m in range(out.shape[1]):
        out[0, m], out[1, m] = 0.0, 0.0
        for c in range(rows.size):
            if taken[c, 1] == m:
                out[0, m] += rows[c] * taken[c, 0]
                out[1, m] += taken[c, 0]


@exact
def put(stats, places, bits):
    """Write the bits of the rows of `stats` (c, n) float64 to those rows of `bits` (clients, n) int64."""
    rows = stats.view(np.int64)
    for c in range(places.size):
        for k in range(rows.shape[1]):
            bits[places[c], k] = rows[c, k]


@exact
def totals(stats):
    """Return the sums of the first three columns of `stats` (c, n): loss, its weight, clients that were accepted."""
    loss, weight, accepted = 0.0, 0.0, 0.0
    for c in range(stats.shape[0]):
        loss += stats[c, 0]
        weight += stats[c, 1]
        accepted += stats[c, 2]
    return loss, weight, accepted
