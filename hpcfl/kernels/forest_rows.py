"""Rows of a forest: features to bins, rows drawn for a tree, rows through trees."""

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


@exact
def pack(node, packed):
    """Pack (k, 3) int32 nodes into uint64: child 32 bits, rule 9, feature + 1 (0: a leaf) above.

    The child of a leaf is the leaf itself: rows that have arrived stay.
    """
    for i in range(node.shape[0]):
        leaf = node[i, 0] < 0
        next_one = np.uint64(i if leaf else node[i, 2])
        rule, feature = np.uint64(node[i, 1]), np.uint64(node[i, 0] + 1)
        packed[i] = next_one | (rule << np.uint64(32)) | (feature << np.uint64(41))


@exact
def descend(packed, codes, at):
    """Return the leaf that a row of bins arrives in."""
    while True:
        word = packed[at]
        feature = np.int64(word >> np.uint64(41))
        if feature == 0:
            return at
        rule = np.int64(word >> np.uint64(32)) & 511
        code = np.int64(codes[feature - 1])
        right = rule < 256 if code == MISSING else code > (rule & 255)
        at = np.int64(word & np.uint64(0xFFFFFFFF)) + right


@exact
def leaves(packed, codes, rows, out):
    """Put into `out` (m,) the leaf of one tree that each of `rows` (m,) of `codes` arrives in."""
    for i in range(rows.size):
        out[i] = descend(packed, codes[rows[i]], 0)


@exact
def predict(packed, starts, value, outputs, codes, out):
    """Add to `out` (n, outputs) the values of all trees; tree t is added to output t % k of width value.shape[1].

    `starts` (trees + 1,) bounds each tree's nodes; children are counted from a tree's first node.
    Rows go in blocks, so that a tree's upper nodes and the block stay in the cache.
    """
    width = value.shape[1]
    groups = outputs // width
    for first in range(0, codes.shape[0], 1024):
        last = min(first + 1024, codes.shape[0])
        for t in range(starts.size - 1):
            tree = packed[starts[t] : starts[t + 1]]
            at = (t % groups) * width
            for i in range(first, last):
                leaf = starts[t] + descend(tree, codes[i], 0)
                for c in range(width):
                    out[i, at + c] += value[leaf, c]
