"""Rows of a forest: features to bins, rows drawn for a tree."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import exact

MISSING = 255


@exact
def encode(x, edges, used, codes):
    """Put into `codes` (n, d) uint8 how many of its feature's edges lie below each value.

    `edges` (d, e) ascending, of which the first `used[f]` count. NaN has the bin 255.
    """
    for i in range(x.shape[0]):
        for f in range(x.shape[1]):
            v = x[i, f]
            low, size = 0, used[f]
            while size > 0:
                half = size >> 1
                up = edges[f, low + half] < v
                low = low + half + 1 if up else low
                size = size - half - 1 if up else half
            codes[i, f] = MISSING if v != v else low


@exact
def bag(hashes, unit, classes, order, stats):
    """Fill `order` and `stats` with the rows of a Poisson(1) bootstrap; return how many there are.

    Row i is drawn as often as ``hashes[i]`` says; `unit` (n,) is what it adds when drawn once (of
    which a class above two stays as it is).
    """
    m = 0
    kept = ~np.int64(0xFFFFFFFF) if classes > 2 else np.int64(0)
    for i in range(unit.size):
        u = np.float64(hashes[i] >> np.uint64(11)) * (1.0 / 9007199254740992.0)
        times, p = 0, 0.36787944117144233
        while u >= p and times < 12:
            u -= p
            times += 1
            p /= times
        if times > 0:
            order[m] = i
            stats[m] = (unit[i] & kept) + (unit[i] & ~kept) * times
            m += 1
    return m
