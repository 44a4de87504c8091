"""Draws of a node: each follows from the path to it, so any rank can make it."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import exact_part


@exact_part
def mix(z):
    """Return the splitmix64 hash of a uint64 (Steele et al. 2014)."""
    z = np.uint64(z) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@exact_part
def below(h, n):
    """Return a whole number in [0, n) from the upper bits of the hash `h`."""
    return np.int64(((h >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@exact_part
def child(key, side):
    """Return the key of a node's child: keys follow the path from the root."""
    return mix(key ^ np.uint64(side + 1))


@exact_part
def draw(key, start, stop, perm):
    """Put draws [start, stop) of the node's random order of features into their places of `perm`.

    `perm` holds 0..d-1 when `start` is 0; draws follow from the key alone (Fisher-Yates).
    """
    for i in range(start, stop):
        j = i + below(mix(key + np.uint64(i + 1)), perm.size - i)
        perm[i], perm[j] = perm[j], perm[i]


@exact_part
def undraw(key, stop, perm):
    """Undo the first `stop` draws."""
    for i in range(stop - 1, -1, -1):
        j = i + below(mix(key + np.uint64(i + 1)), perm.size - i)
        perm[i], perm[j] = perm[j], perm[i]
