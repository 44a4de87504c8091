"""Growing one tree (or the rest of one) from binned rows, depth first."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import exact
from hpcfl.kernels.forest_split import (
    MISSING,
    accept,
    better,
    child,
    clear,
    count,
    draw,
    score_of,
    total,
    undraw,
)

BINS = 256
NEAR = 1024  # rows of a node below which their bins are copied together: scattered, each read misses the cache


@exact
def goes_left(code, rule):
    """Return whether a bin goes to the left child under `rule`."""
    return rule >= 256 if code == MISSING else code <= (rule & 255)


@exact
def partition(codes, feature, rule, order, stats, spare_order, spare_stats):
    """Bring the rows of the left child to the front, all in their old order; return how many they are."""
    left, right = 0, 0
    for i in range(order.size):
        row, stat = order[i], stats[i]
        go = goes_left(np.int64(codes[row, feature]), rule)
        spare_order[right], spare_stats[right] = row, stat
        order[left], stats[left] = row, stat
        left += go
        right += not go
    order[left:] = spare_order[:right]
    stats[left:] = spare_stats[:right]
    return left


@exact
def search(codes, order, stats, key, spec, limits, sums, perm, hist, bits, best):
    """Find the node's best split among features drawn until one of a block of `spec[3]` can split."""
    d, tried = perm.size, 0
    best[0], best[1] = -np.inf, -1
    while tried < d and best[1] < 0:
        stop = min(tried + spec[3], d)
        draw(key, tried, stop, perm)
        for i in range(tried, stop):
            count(codes, perm[i], order, stats, sums.shape[1] - 1, hist, bits)
            better(hist, bits, perm[i], key, order.size, spec, limits, sums, best)
            clear(sums.shape[1] - 1, hist, bits)
        tried = stop
    undraw(key, tried, perm)


@exact
def fetch(codes, order, near):
    """Copy the bins of the rows `order` to the front of `near`, and number the rows anew from 0."""
    for f in range(codes.shape[1]):
        for i in range(order.size):
            near[i, f] = codes[np.uint32(order[i]), f]
    for i in range(order.size):
        order[i] = i


@exact
def grow(codes, order, stats, key, spec, limits, node, gain, value):
    """Grow a tree, depth first, left child first, and return its number of nodes.

    Parameters
    ----------
    codes : (n, d) uint8
        Binned rows, each feature contiguous.
    order, stats : (m,) int32, int64
        The node's rows and what each adds; both are reordered.
    key : uint64
        Key of the node it starts from.
    spec, limits : int64 (5,), float64 (5,)
        See the head of the file.
    node : (c, 3) int32
        Out: feature (-1: a leaf), rule, left child (the right one follows it). c >= 2 m - 1.
    gain : (c,) float64
        Out: how much a split raised the score.
    value : (c, classes or 1) float64
        Out: shares of the classes, or g / (h + penalty).
    """
    m, d, classes = order.size, codes.shape[1], spec[0]
    width = 1 if classes < 3 else classes
    spare_order, spare_stats = np.empty(m, np.int32), np.empty(m, np.int64)
    perm = np.arange(d)
    hist, bits = np.zeros(BINS * width, np.int64), np.zeros(4, np.uint64)
    sums, best = np.zeros((3, width + 1), np.int64), np.zeros(4)
    near = np.empty((d, min(NEAR, m)), np.uint8).T
    todo, keys = np.empty((m + 1, 4), np.int32), np.empty(m + 1, np.uint64)
    todo[0, 0], todo[0, 1], todo[0, 2], todo[0, 3], keys[0] = 0, m, 0, 0, key
    waiting, made, base = 1, 1, -1  # from `base` on, what waits are nodes whose rows are near
    while waiting > 0:
        waiting -= 1
        a, b, at, level, path = todo[waiting, 0], todo[waiting, 1], todo[waiting, 2], todo[waiting, 3], keys[waiting]
        total(stats[a:b], classes, spec[1], sums)
        parent, pure = score_of(classes, limits[0], sums)
        for c in range(width):
            value[at, c] = sums[1, c] / (sums[1, width] + limits[0])
        node[at, 0], node[at, 1], node[at, 2], gain[at] = -1, 0, 0, 0.0
        if pure or b - a < 2 or level == spec[2]:
            continue
        if waiting < base or base < 0:
            base = waiting if b - a <= NEAR else -1
            if base >= 0:
                fetch(codes, order[a:b], near)
        here = near if base >= 0 else codes
        search(here, order[a:b], stats[a:b], path, spec, limits, sums, perm, hist, bits, best)
        if not accept(best, parent, limits):
            continue
        feature, rule = np.int64(best[1]), np.int64(best[2])
        middle = a + partition(here, feature, rule, order[a:b], stats[a:b], spare_order, spare_stats)
        node[at, 0], node[at, 1], node[at, 2], gain[at] = feature, rule, made, best[0] - parent
        for side in range(1, -1, -1):
            todo[waiting, 0] = middle if side else a
            todo[waiting, 1] = b if side else middle
            todo[waiting, 2], todo[waiting, 3], keys[waiting] = made + side, level + 1, child(path, side)
            waiting += 1
        made += 2
    return made
