"""Growing level by level: many nodes of many trees at once, their sums made whole between the calls."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.copies import copy
from hpcfl.kernels.flags import exact
from hpcfl.kernels.forest_category import better_set
from hpcfl.kernels.forest_count import used
from hpcfl.kernels.forest_draw import child, draw, undraw
from hpcfl.kernels.forest_grow import partition, sides
from hpcfl.kernels.forest_rule import BINS, Work, bench
from hpcfl.kernels.forest_split import better, score_of, total
from hpcfl.kernels.lent import lent


@exact
def totals(stats, bounds, classes, shift, out):
    """Put into ``out[j]`` (rows, then the sums of `total`) what a rank holds of each node."""
    sums = np.zeros((3, out.shape[1] - 1), np.int64)
    for j in range(bounds.shape[0]):
        a, b = bounds[j]
        total(stats[a:b], classes, shift, sums)
        out[j, 0] = b - a
        copy(sums[1], out[j, 1:])


@exact
def drawn(keys, tried, d, out):
    """Put into ``out[j]`` the next features of node j after `tried[j]`, -1 where there are none left."""
    perm = np.arange(d)
    for j in range(keys.size):
        stop = min(tried[j] + out.shape[1], d)
        draw(keys[j], 0, stop, perm)
        out[j] = -1
        copy(perm[tried[j] : stop], out[j, : stop - tried[j]])
        undraw(keys[j], stop, perm)


@exact
def histograms(codes, order, stats, bounds, features, classes, out):
    """Add rows to the histograms of some features of each node.

    Indices are unsigned, since signed ones would be checked for being counted from the end.

    Parameters
    ----------
    codes : (n, d) uint8
        Bins, each row contiguous: a row is read once for all features.
    bounds : (k, 2) int64
        Node j has the rows ``order[bounds[j, 0] : bounds[j, 1]]``.
    features : (k, s) int64
        Features of each node; -1 is left out.
    out : (k * s, 256 * classes) int64
        Number ``j * s + i`` is of feature ``features[j, i]``.
    """
    flat, wide, slots = out.reshape(-1), out.shape[1], features.shape[1]
    starts, own = np.empty(slots, np.uint64), np.empty(slots, np.uint64)
    for j in range(bounds.shape[0]):
        used = 0
        for s in range(slots):
            if features[j, s] >= 0:
                starts[used], own[used] = (j * slots + s) * wide, features[j, s]
                used += 1
        for i in range(bounds[j, 0], bounds[j, 1]):
            row, stat = np.uint64(order[i]), stats[i]
            if classes == 1:
                for s in range(used):
                    flat[starts[s] + np.uint64(codes[row, own[s]])] += stat
            else:
                c, weight = np.uint64(stat >> 32), stat & 0xFFFFFFFF
                for s in range(used):
                    flat[starts[s] + np.uint64(codes[row, own[s]]) * np.uint64(classes) + c] += weight


@exact
def all_histograms(codes, order, stats, bounds, cuts, classes, out):
    """Add rows to the histograms of all features of each node, a part for each rank; arguments as `histograms`.

    In `out` (k * d, 256 * classes) the features from ``cuts[r]`` to ``cuts[r + 1]`` of all nodes come before
    the next ones: first those of node 0, then those of node 1.
    """
    flat, wide, nodes = out.reshape(-1), np.uint64(out.shape[1]), bounds.shape[0]
    for j in range(nodes):
        for i in range(bounds[j, 0], bounds[j, 1]):
            row, stat = np.uint64(order[i]), stats[i]
            c, weight = (np.uint64(0), stat) if classes == 1 else (np.uint64(stat >> 32), stat & 0xFFFFFFFF)
            for r in range(cuts.size - 1):
                first, m = cuts[r], cuts[r + 1] - cuts[r]
                start = np.uint64(nodes * first + j * m) * wide + c
                if classes == 1:
                    for s in range(m):
                        flat[start + np.uint64(s) * wide + np.uint64(codes[row, np.uint64(first + s)])] += weight
                else:
                    for s in range(m):
                        code = np.uint64(codes[row, np.uint64(first + s)])
                        flat[start + np.uint64(s) * wide + code * np.uint64(classes)] += weight


@exact
def siblings(counted, parents, split, places, out):
    """Write the histograms of children: those that were counted, and what their parents leave for the others.

    Parameters
    ----------
    counted : (k, s, w) int64
        Of the smaller child of each pair.
    parents, split : (p, s, w) int64, (k,) int64
        Of their parents, and which one is whose.
    places : (k, 2 or 1) int64
        Rows of `out` that the two go to; one column: there are no siblings.
    out : (m, s, w) int64
    """
    for j in range(counted.shape[0]):
        for s in range(counted.shape[1]):
            out[places[j, 0], s] = counted[j, s]
            if places.shape[1] > 1:
                other, whole = out[places[j, 1], s], parents[split[j], s]
                for b in range(other.size):
                    other[b] = whole[b] - counted[j, s, b]


@exact
def choose(hist, units, keys, known, rule, best, chosen):
    """Find each node's best split among some of its whole histograms.

    Parameters
    ----------
    hist : (h, 256 * width) int64
    units : (u, 3) int64
        Number of a histogram, its node and its feature; a feature of -1 is left out.
    known : (k, 1 + width + 1) int64
        The nodes' totals.
    rule : Rule
    best, chosen : (k, 5) float64, (k, 4) uint64
        Out: score, feature (-1: none), rule, h of the left, score of the node; set of the left.
    """
    look(hist, units, keys, known, rule, best, chosen, bench(known.shape[1] - 2))


@exact
def look(hist, units, keys, known, rule, best, chosen, room):
    """Do what `choose` does, in the `room` (Work) given."""
    hist, rule, best, chosen, room, known = lent(hist), lent(rule), lent(best), lent(chosen), lent(room), lent(known)
    width = known.shape[1] - 2
    for j in range(keys.size):
        copy(known[j, 1:], room.sums[1])
        best[j, 0], best[j, 1], best[j, 2], best[j, 3] = -np.inf, -1, 0, 0
        best[j, 4], _ = score_of(rule.spec[0], rule.limits[0], room.sums)
    for u in range(units.shape[0]):
        j, f = units[u, 1], units[u, 2]
        if f < 0:
            continue
        copy(known[j, 1:], room.sums[1])
        work = Work(hist[units[u, 0]], room.bits, room.sums, room.bins, room.scores, best[j], chosen[j])
        m = used(work.hist, width, room.bins)
        if rule.kinds[f]:
            better_set(f, keys[j], known[j, 0], m, rule, work)
        else:
            better(f, keys[j], known[j, 0], m, rule, work)


@exact
def child_keys(keys, out):
    """Put into `out` (2 k,) the keys of each node's left and right child."""
    for j in range(keys.size):
        out[2 * j], out[2 * j + 1] = child(keys[j], 0), child(keys[j], 1)


@exact
def split(codes, bounds, splits, chosen, order, stats, spare_order, spare_stats):
    """Bring the rows of each node's left child to the front; put the boundary into ``bounds[j, 2]``.

    `splits` (k, 2) int64: feature (-1: the node is left as it is) and rule; `chosen` (k, 4): sets.
    `bounds` (k, 3): first row, last + 1, boundary.
    """
    goes = np.empty(BINS, np.uint8)
    for j in range(bounds.shape[0]):
        if splits[j, 0] < 0:
            continue
        a, b = bounds[j, 0], bounds[j, 1]
        sides(splits[j, 1], chosen[j], goes)
        bounds[j, 2] = a + partition(codes, splits[j, 0], goes, order[a:b], stats[a:b], spare_order, spare_stats)


@exact
def collect(codes, order, stats, spans, out_codes, out_stats):
    """Write the bins (m, d) and the stats of the rows of nodes, one node after the other.

    `spans` (k, 2): node j has the rows ``order[spans[j, 0] : spans[j, 1]]``.
    """
    at = 0
    for j in range(spans.shape[0]):
        for i in range(spans[j, 0], spans[j, 1]):
            row = np.uint64(order[i])
            for f in range(codes.shape[1]):
                out_codes[at, f] = codes[row, f]
            out_stats[at] = stats[i]
            at += 1


@exact
def by_feature(codes, out):
    """Write `codes` (m, d), each row contiguous, into `out` (m, d), each feature contiguous."""
    for a in range(0, codes.shape[0], 512):
        for f in range(codes.shape[1]):
            for i in range(a, min(a + 512, codes.shape[0])):
                out[i, f] = codes[i, f]


@exact
def renumber(roots, node, starts, source, left):
    """Number the nodes of trees as `forest_grow.grow` does: depth first, left child first.

    Node ``roots[t]`` is the root of tree t; children in `node` (k, 3) are counted from its first row.
    Out: ``starts`` (t + 1,); for each new node the row that it was, and its left child counted from
    its tree's first node.
    """
    todo = np.empty((node.shape[0] + 2, 2), np.int64)
    starts[0] = 0
    for t in range(roots.size):
        first, made, waiting = starts[t], 1, 1
        todo[0, 0], todo[0, 1] = roots[t], 0
        while waiting > 0:
            waiting -= 1
            row, at = todo[waiting, 0], todo[waiting, 1]
            source[first + at], left[first + at] = row, 0
            if node[row, 0] >= 0:
                left[first + at] = made
                for side in range(1, -1, -1):
                    todo[waiting, 0], todo[waiting, 1] = node[row, 2] + side, made + side
                    waiting += 1
                made += 2
        starts[t + 1] = first + made
