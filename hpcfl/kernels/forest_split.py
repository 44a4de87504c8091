"""Splits of one node: what a row adds, which features are drawn, the best threshold of a histogram.

What a row adds to a bin is one int64, its *stat*. With fewer than three classes it packs two sums,
``(g << shift) + h``, g the target (a class, a value, a negative gradient) times the weight and h the
weight (or the hessian): a plain sum of stats sums both. With more classes it is ``(class << 32) + weight``.
Sums of whole numbers do not depend on their order, so the order of rows is free.

The histogram of a node and a feature is followed by a bit for each bin in use, so that the small
nodes, which are most, cost what their rows cost and not 256 bins.

`spec` (int64): classes (1 for values), shift, levels left (-1: no limit), features tried, 1 for random cuts.
`limits` (float64): penalty added to h, least gain relative to the node's score (-1: any), least
gain, least h of a child, least rows of a child (at the node's mean h a row).
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from hpcfl.kernels.flags import exact_part

MISSING = 255


@intrinsic
def lowest(typing, word):
    """Return the position of the lowest bit that is set in a uint64."""

    def code(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), code


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


@exact_part
def count(codes, feature, order, stats, classes, hist, bits):
    """Add a node's rows to `hist` (256 * classes,), which is zero, and mark the bins in use."""
    bits[:] = 0
    for i in range(order.size):
        b = np.int64(codes[np.uint32(order[i]), feature])
        if classes == 1:
            hist[b] += stats[i]
        else:
            hist[np.uint64(b * classes + (stats[i] >> 32))] += stats[i] & 0xFFFFFFFF
        bits[b >> 6] |= np.uint64(1) << np.uint64(b & 63)


@exact_part
def clear(classes, hist, bits):
    """Set the bins in use back to zero."""
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
def scan(hist, bins, m, before, only, shift, penalty, least_h, node, work):
    """Return (score, bins on the left, stat of the left side) of the best cut, from packed sums.

    The first of the `m` bins, in the order given, go left, on top of the stat `before`; `only` is the
    one number of them allowed, or -1; `node` is the stat of the whole node. Equal scores keep the
    fewer; no bins: there is no split. `work` (2, 264): sums and scores, padded to whole vectors.
    """
    mask = (np.int64(1) << shift) - 1
    run, score = work[0], work[1].view(np.float64)
    left = before
    for i in range(m - 1):
        left += hist[np.uint64(bins[i])]
        run[i] = left
    for a in range(0, m - 1, 8):
        for i in range(a, a + 8):
            right = node - run[i]
            lg, lh = np.float64(run[i] >> shift), np.float64(run[i] & mask)
            rg, rh = np.float64(right >> shift), np.float64(right & mask)
            found = lg * lg / (lh + penalty) + rg * rg / (rh + penalty)
            score[i] = found if (lh >= least_h) & (rh >= least_h) else -np.inf
    best, count = -np.inf, 0
    for i in range(m - 1):
        if score[i] > best and (only < 0 or only == i + 1):
            best, count = score[i], i + 1
    return best, count, run[count - 1] if count else before


@exact_part
def scan_classes(hist, bins, m, classes, first, only, least_h, sums):
    """Return what `scan` does, h in place of the stat, from sums per class; row 1 of `sums` are the node's.

    Bin `first` goes left whatever the cut (-1: none does). The two other rows of `sums` are work.
    """
    best, count, best_h = -np.inf, 0, np.int64(0)
    lh, rh, lsq, rsq = np.int64(0), sums[1, classes], np.int64(0), np.int64(0)
    for c in range(classes):
        sums[0, c], sums[2, c] = 0, sums[1, c]
        rsq += sums[1, c] * sums[1, c]
    for i in range(0 if first < 0 else -1, m - 1):
        b = bins[i] if i >= 0 else first
        for c in range(classes):
            h = hist[b * classes + c]
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
def better(hist, bits, feature, key, rows, spec, limits, work, best):
    """Replace `best` (score, feature, rule, h left) by the feature's best threshold if that is better.

    A rule is threshold + 256 * (missing values go left). Equal scores keep the lower feature, then the lower bin.
    """
    sums, bins, scores = work
    classes, shift = spec[0], spec[1]
    node_h = sums[1, sums.shape[1] - 1]
    least_h = max(limits[3], limits[4] * node_h / rows)
    m = listed(bits, bins)
    missing = np.int64(m > 0 and bins[m - 1] == MISSING)
    pick, only = np.int64(-1), np.int64(-1)
    if spec[4]:
        pick, only = cut(bins, m - missing, key, feature), np.int64(0)
        while only < m - missing and bins[only] <= pick:
            only += 1
    for left_missing in range(1 + missing):
        if classes < 3:
            before = hist[MISSING] if left_missing else np.int64(0)
            node = (sums[1, 0] << shift) + node_h
            score, count, left = scan(
                hist, bins, m - left_missing, before, only, shift, limits[0], least_h, node, scores
            )
            left_h = left & ((np.int64(1) << shift) - 1)
        else:
            first = MISSING if left_missing else -1
            score, count, left_h = scan_classes(hist, bins, m - left_missing, classes, first, only, least_h, sums)
        if count > 0 and (score > best[0] or (score == best[0] and feature < best[1])):
            way = left_missing if missing else np.int64(2 * left_h >= node_h)
            between = 254 if bins[count] == MISSING else (bins[count - 1] + bins[count]) >> 1
            best[0], best[1], best[3] = score, feature, left_h
            best[2] = (between if pick < 0 else pick) + 256 * way


@exact_part
def accept(best, parent, limits):
    """Return whether the best split is worth making."""
    return best[1] >= 0 and best[0] >= parent + limits[1] * abs(parent) and best[0] - parent >= limits[2]
