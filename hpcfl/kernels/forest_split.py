"""Splits of one node: what a row adds, the best threshold of a histogram.

What a row adds to a bin is one int64, its *stat*. With fewer than three classes it packs two sums,
``(g << shift) + h``, g the target (a class, a value, a negative gradient) times the weight and h the
weight (or the hessian): a plain sum of stats sums both. With more classes it is ``(class << 32) + weight``.
Sums of whole numbers do not depend on their order, so the order of rows is free.

The histogram of a node and a feature is followed by a bit for each bin in use, so that the small
nodes, which are most, cost what their rows cost and not 256 bins.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from hpcfl.kernels.flags import exact_part
from hpcfl.kernels.forest_draw import below, mix
from hpcfl.kernels.forest_rule import MISSING


@intrinsic
def lowest(typing, word):
    """Return the position of the lowest bit that is set in a uint64."""

    def code(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), code


@exact_part
def count(codes, feature, order, stats, classes, hist, bits):
    """Add a node's rows to `hist` (256 * classes,), which is zero, and mark the bins in use.

    Rows take turns at four sets of bits, as each word waits for the row before it.
    """
    bits[:] = 0
    for i in range(order.size):
        b = np.uint64(codes[np.uint32(order[i]), feature])
        if classes == 1:
            hist[b] += stats[i]
        else:
            hist[b * np.uint64(classes) + np.uint64(stats[i] >> 32)] += stats[i] & 0xFFFFFFFF
        bits[(b >> np.uint64(6)) + (np.uint64(i & 3) << np.uint64(2))] |= np.uint64(1) << (b & np.uint64(63))
    for word in range(4):
        bits[word] |= bits[word + 4] | bits[word + 8] | bits[word + 12]


@exact_part
def clear(classes, rows, hist, bits):
    """Set the bins in use by so many `rows` back to zero."""
    if rows > 32 * classes:
        hist[:] = 0
        return
    for word in range(4):
        left = bits[word]
        while left != 0:
            b = word * 64 + np.int64(lowest(left))
            left &= left - np.uint64(1)
            for c in range(b * classes, (b + 1) * classes):
                hist[c] = 0


@exact_part
def listed(bits, bins):
    """Put the bins in use, ascending, into `bins` (256,); return how many they are."""
    m = 0
    for word in range(4):
        left = bits[word]
        while left != 0:
            bins[m] = word * 64 + np.int64(lowest(left))
            left &= left - np.uint64(1)
            m += 1
    return m


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
    mask = (np.int64(1) << shift) - 1
    run, score = work.scores[0], work.scores[1].view(np.float64)
    left = before
    for i in range(m - 1):
        left += work.hist[np.uint64(work.bins[i])]
        run[i] = left
    for a in range(0, m - 1, 8):
        for i in range(a, a + 8):
            right = node - run[i]
            lg, lh = np.float64(run[i] >> shift), np.float64(run[i] & mask)
            rg, rh = np.float64(right >> shift), np.float64(right & mask)
            found = lg * lg / (lh + penalty) + rg * rg / (rh + penalty)
            score[i] = found if (lh >= least_h) & (rh >= least_h) else -np.inf
    a, b = (max(only - 1, 0), min(only, m - 1)) if only >= 0 else (np.int64(0), m - 1)
    order = work.scores[1]
    top = np.int64(-1)
    for i in range(a, b):
        top = max(top, order[i])
    for i in range(a, b):
        if order[i] == top:
            return score[i], i + 1, run[i]
    return -np.inf, 0, before


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
def better(feature, key, rows, rule, work):
    """Replace ``work.best`` by the feature's best threshold if that is better.

    Equal scores keep the lower feature, then the lower bin.
    """
    sums, bins, best, shift = work.sums, work.bins, work.best, rule.spec[1]
    node_h = sums[1, sums.shape[1] - 1]
    least_h = max(rule.limits[3], rule.limits[4] * node_h / rows)
    m = listed(work.bits, bins)
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
