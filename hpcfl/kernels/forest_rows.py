"""Rows of a forest: features to bins, rows drawn for a tree."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import exact

MISSING = 255
TIMES = 12  # a row is drawn at most so often


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
    which a class above two stays as it is). There is no branch, since no one could guess it.
    """
    p, bounds = 0.36787944117144233, np.zeros(TIMES)
    for k in range(TIMES):
        bounds[k] = bounds[k - 1] + p if k else p
        p /= k + 1
    m = np.uint64(0)
    kept = ~np.int64(0xFFFFFFFF) if classes > 2 else np.int64(0)
    for i in range(unit.size):
        u = np.float64(hashes[i] >> np.uint64(11)) * (1.0 / 9007199254740992.0)
        times = np.int64(0)
        for k in range(TIMES):
            times += u >= bounds[k]
        order[m] = i
        stats[m] = (unit[i] & kept) + (unit[i] & ~kept) * times
        m += np.uint64(times > 0)
    return np.int64(m)
