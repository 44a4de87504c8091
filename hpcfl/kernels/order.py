"""Row orders from counters: no state, so any rank can draw any part of an order by itself."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import exact

LINE = 16  # strata that are written side by side: a cache line of int32


@exact
def mix(key, counter):
    """Return 64 random bits of (`key`, `counter`): SplitMix64 (Steele, Lea, Flood 2014)."""
    z = np.uint64(key) + (np.uint64(counter) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@exact
def below(bits, n):
    """Return a number in [0, n), n < 2^32, from 64 random bits (multiply and shift)."""
    return np.int64(((np.uint64(bits) >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@exact
def permute(key, out):
    """Write a permutation of 0..len(out)-1 into `out` (Fisher and Yates)."""
    n = out.size
    for i in range(n):
        out[i] = i
    for i in range(n - 1, 0, -1):
        j = below(mix(key, i), i + 1)
        out[i], out[j] = out[j], out[i]


@exact
def hashes(key, start, out):
    """Write the 64 random bits of rows start, start + 1, ... into `out` (n,) uint64."""
    for i in range(out.size):
        out[i] = mix(key, start + i)


@exact
def strata(key, first, starts, lengths, order):
    """Permute the rows inside each stratum that a rank owns.

    Parameters
    ----------
    key : uint64
        Of the epoch.
    first : int
        Number of the rank's first stratum over all ranks.
    starts, lengths : (s,) int64
        Local row at which each stratum starts, and its rows.
    order : (t, s) int32
        Output: ``order[i, j]`` is the local row that stratum j gives to step i.
    """
    scratch = np.empty((min(LINE, starts.size), order.shape[0]), np.int32)
    for a in range(0, starts.size, LINE):
        b = min(a + LINE, starts.size)
        for j in range(a, b):
            permute(mix(key, first + j), scratch[j - a, : lengths[j]])
        for i in range(order.shape[0]):
            row = order[i, a:b]
            for j in range(row.size):
                if i < lengths[a + j]:
                    row[j] = starts[a + j] + scratch[j, i]
