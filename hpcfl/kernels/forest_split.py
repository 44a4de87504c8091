"""Splits of one node: what a row adds, the best threshold of a histogram.

What a row adds to a bin is one int64, its *stat*. With fewer than three classes it packs two sums,
``(g << shift) + h``, g the target (a class, a value, a negative gradient) times the weight and h the
weight (or the hessian): a plain sum of stats sums both. With more classes it is ``(class << 32) + weight``.
Sums of whole numbers do not depend on their order, so the order of rows is free.
"""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import exact_part
from hpcfl.kernels.forest_draw import below, mix
from hpcfl.kernels.forest_rule import MISSING


@exact_part
def cut(bins, m, key, feature):
    """Return a random threshold between the lowest and the highest of `m` bins (Geurts et al. 2006)."""
    if m < 2:
        return bins[0]
    return bins[0] + below(mix(key ^ mix(np.uint64(feature))), bins[m - 1] - bins[0])


@exact_part
def scan(m, before, only, least_h, node, rule, work):
    """Return (score, bins on the left, stat of the left side) of the best cut, from packed sums.

    The first of the `m` bins in ``work.bins`` go left, on top of the stat `before`; `only` is the one number of
    them allowed, or -1; `node` is the stat of the whole node. Equal scores keep the fewer; no bins:
    there is no split. As whole numbers, scores of at least 0 have their order, and a maximum is a vector's.
    """
    shift, penalty = rule.spec[1], rule.limits[0]
    mask, end = (np.int64(1) << shift) - 1, (m + 6) & -8  # at most m - 1 cuts, in whole vectors
    run, order, score = work.scores[0], work.scores[1], work.scores[1].view(np.float64)
    left = before
    for i in range(m - 1):
        left += work.hist[np.uint64(work.bins[i])]
        run[i] = left
    for i in range(m - 1, end):
        run[i] = 0  # nothing on the left, which is not allowed
    top, first = np.int64(-1), end
    for i in range(end):
        right = node - run[i]
        lg, lh = np.float64(run[i] >> shift), np.float64(run[i] & mask)
        rg, rh = np.float64(right >> shift), np.float64(right & mask)
        found = lg * lg / (lh + penalty) + rg * rg / (rh + penalty)
        score[i] = found if (lh >= least_h) & (rh >= least_h) & ((only < 0) | (i + 1 == only)) else -np.inf
    for i in range(end):
        top = max(top, order[i])
    if top < 0:
        return -np.inf, 0, before
    for i in range(end):
        first = min(first, i if order[i] == top else end)
    return score[first], first + 1, run[first]


@exact_part
def scan_classes(m, first, only, least_h, rule, work):
    """Return what `scan` does, h in place of the stat, from sums per class.

    Bin `first` goes left whatever the cut (-1: none does).
    """
    classes, sums = rule.spec[0], work.sums
    best, count, best_h = -np.inf, 0, np.int64(0)
    lh, rh, lsq, rsq = np.int64(0), sums[1, classes], np.int64(0), np.int64(0)
    for c in range(classes):
        sums[0, c], sums[2, c] = 0, sums[1, c]
        rsq += sums[1, c] * sums[1, c]
    for i in range(0 if first < 0 else -1, m - 1):
        b = work.bins[i] if i >= 0 else first
        for c in range(classes):
            h = work.hist[b * classes + c]
            if h != 0:
                lsq += h * (2 * sums[0, c] + h)
                rsq -= h * (2 * sums[2, c] - h)
                sums[0, c] += h
                sums[2, c] -= h
                lh += h
                rh -= h
        if i >= 0 and lh >= least_h and rh >= least_h and (only < 0 or only == i + 1):
            score = lsq / np.float64(lh) + rsq / np.float64(rh)
            if score > best:
                best, count, best_h = score, i + 1, lh
    return best, count, best_h


@exact_part
def total(stats, classes, shift, sums):
    """Put a node's sums into row 1 of `sums`: per class, or g; h last."""
    sums[1, :] = 0
    if classes < 3:
        both = np.int64(0)
        for i in range(stats.size):
            both += stats[i]
        sums[1, 0], sums[1, 1] = both >> shift, both & ((np.int64(1) << shift) - 1)
    else:
        for i in range(stats.size):
            sums[1, stats[i] >> 32] += stats[i] & 0xFFFFFFFF
            sums[1, classes] += stats[i] & 0xFFFFFFFF


@exact_part
def score_of(classes, penalty, sums):
    """Return (score of a node, whether it is pure) from row 1 of `sums`."""
    h = np.float64(sums[1, sums.shape[1] - 1])
    if classes < 3:
        g = np.float64(sums[1, 0])
        return g * g / (h + penalty), classes == 2 and (sums[1, 0] == 0 or sums[1, 0] == sums[1, 1])
    squares = np.int64(0)
    for c in range(classes):
        squares += sums[1, c] * sums[1, c]
    return squares / h, np.float64(squares) == h * h


@exact_part
def better(feature, key, rows, m, rule, work):
    """Replace ``work.best`` by the feature's best threshold, between two of the `m` bins in use, if that is better.

    Equal scores keep the lower feature, then the lower bin.
    """
    sums, bins, best, shift = work.sums, work.bins, work.best, rule.spec[1]
    node_h = sums[1, sums.shape[1] - 1]
    least_h = max(rule.limits[3], rule.limits[4] * node_h / rows)
    missing = np.int64(m > 0 and bins[m - 1] == MISSING)
    pick, only = np.int64(-1), np.int64(-1)
    if rule.spec[4]:
        pick, only = cut(bins, m - missing, key, feature), np.int64(0)
        while only < m - missing and bins[only] <= pick:
            only += 1
    for left_missing in range(1 + missing):
        if rule.spec[0] < 3:
            before = work.hist[MISSING] if left_missing else np.int64(0)
            node = (sums[1, 0] << shift) + node_h
            score, count, left = scan(m - left_missing, before, only, least_h, node, rule, work)
            left_h = left & ((np.int64(1) << shift) - 1)
        else:
            first = MISSING if left_missing else -1
            score, count, left_h = scan_classes(m - left_missing, first, only, least_h, rule, work)
        if count > 0 and (score > best[0] or (score == best[0] and feature < best[1])):
            way = left_missing if missing else np.int64(2 * left_h >= node_h)
            between = 254 if bins[count] == MISSING else (bins[count - 1] + bins[count]) >> 1
            best[0], best[1], best[3] = score, feature, left_h
            best[2] = (between if pick < 0 else pick) + 256 * way


@exact_part
def accept(best, parent, limits):
    """Return whether the best split is worth making."""
    return best[1] >= 0 and best[0] >= parent + limits[1] * abs(parent) and best[0] - parent >= limits[2]
