"""Growing level by level: many nodes of many trees at once, their sums made whole between the calls."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import exact
from hpcfl.kernels.forest_grow import partition
from hpcfl.kernels.forest_split import better, child, draw, score_of, total, undraw


@exact
def mark(hist, classes, bits):
    """Set the bits of the bins in use; every row has a weight, so a bin in use is not all zeros."""
    for word in range(4):
        used = np.uint64(0)
        for i in range(64):
            b = word * 64 + i
            for c in range(classes):
                if hist[b * classes + c] != 0:
                    used |= np.uint64(1) << np.uint64(i)
                    break
        bits[word] = used


@exact
def totals(stats, bounds, classes, shift, out):
    """Put into ``out[j]`` (rows, then the sums of `total`) what a rank holds of each node."""
    sums = np.zeros((3, out.shape[1] - 1), np.int64)
    for j in range(bounds.shape[0]):
        a, b = bounds[j]
        total(stats[a:b], classes, shift, sums)
        out[j, 0] = b - a
        out[j, 1:] = sums[1]


@exact
def drawn(keys, tried, d, out):
    """Put into ``out[j]`` the next features of node j after `tried[j]`, -1 where there are none left."""
    perm = np.arange(d)
    for j in range(keys.size):
        stop = min(tried[j] + out.shape[1], d)
        draw(keys[j], 0, stop, perm)
        out[j] = -1
        out[j, : stop - tried[j]] = perm[tried[j] : stop]
        undraw(keys[j], stop, perm)


@exact
def histograms(codes, order, stats, bounds, features, classes, out):
    """Add rows to ``out[j, s]`` (256 * classes,) for feature ``features[j, s]`` of node j.

    Node j has rows ``order[bounds[j, 0] : bounds[j, 1]]``; a feature of -1 is left out.
    """
    for j in range(bounds.shape[0]):
        for s in range(features.shape[1]):
            f = features[j, s]
            if f < 0:
                continue
            hist = out[j, s]
            for i in range(bounds[j, 0], bounds[j, 1]):
                b = np.int64(codes[order[i], f])
                if classes == 1:
                    hist[b] += stats[i]
                else:
                    hist[b * classes + (stats[i] >> 32)] += stats[i] & 0xFFFFFFFF


@exact
def choose(hist, features, keys, known, spec, limits, best):
    """Find the best split of each node from its whole histograms.

    `hist` (k, s, 256 * width) is used up; `features` (k, s); `known` (k, 1 + width + 1) are the
    nodes' totals. Out: `best` (k, 5) score, feature (-1: none), rule, h of the left, parent's score.
    """
    sums, bits = np.zeros((3, known.shape[1] - 1), np.int64), np.zeros(4, np.uint64)
    for j in range(keys.size):
        sums[1] = known[j, 1:]
        best[j, 0], best[j, 1], best[j, 2] = -np.inf, -1, 0
        best[j, 4], _ = score_of(spec[0], limits[0], sums)
        for s in range(features.shape[1]):
            if features[j, s] >= 0:
                mark(hist[j, s], sums.shape[1] - 1, bits)
                better(hist[j, s], bits, features[j, s], keys[j], known[j, 0], spec, limits, sums, best[j])


@exact
def child_keys(keys, out):
    """Put into `out` (2 k,) the keys of each node's left and right child."""
    for j in range(keys.size):
        out[2 * j], out[2 * j + 1] = child(keys[j], 0), child(keys[j], 1)


@exact
def split(codes, bounds, features, rules, order, stats, spare_order, spare_stats):
    """Bring the rows of each node's left child to the front; put the boundary into ``bounds[j, 2]``.

    Nodes j with a feature of -1 are left as they are. `bounds` (k, 3): first row, last + 1, boundary.
    """
    for j in range(bounds.shape[0]):
        if features[j] < 0:
            continue
        a, b = bounds[j, 0], bounds[j, 1]
        left = partition(codes, features[j], rules[j], order[a:b], stats[a:b], spare_order, spare_stats)
        bounds[j, 2] = a + left


@exact
def take(codes, order, out):
    """Copy the rows `order` (m,) of `codes` into `out` (m, d)."""
    for i in range(order.size):
        for f in range(codes.shape[1]):
            out[i, f] = codes[order[i], f]


@exact
def renumber(roots, node, gain, value, starts, out_node, out_gain, out_value):
    """Copy trees, depth first and left child first, as `forest_grow.grow` numbers them.

    Node ``roots[t]`` is the root of tree t; children in `node` are counted from its first row. Out:
    ``starts`` (t + 1,) and the nodes, children counted from their tree's first node.
    """
    todo = np.empty((node.shape[0] + 2, 2), np.int64)
    starts[0] = 0
    for t in range(roots.size):
        first, made, waiting = starts[t], 1, 1
        todo[0, 0], todo[0, 1] = roots[t], 0
        while waiting > 0:
            waiting -= 1
            source, at = todo[waiting, 0], todo[waiting, 1]
            to = first + at
            out_node[to] = node[source]
            out_gain[to], out_value[to] = gain[source], value[source]
            if node[source, 0] >= 0:
                out_node[to, 2] = made
                for side in range(1, -1, -1):
                    todo[waiting, 0], todo[waiting, 1] = node[source, 2] + side, made + side
                    waiting += 1
                made += 2
        starts[t + 1] = first + made
