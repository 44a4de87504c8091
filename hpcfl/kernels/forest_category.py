"""Splits of categorical features: any set of categories may go left."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import exact
from hpcfl.kernels.forest_draw import below, mix
from hpcfl.kernels.forest_split import scan, scan_classes

SET = 512  # a rule that is a set of bins
ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@exact
def arrange(m, rule, work):
    """Sort ``work.bins`` (the first m) by the mean target of their rows, equal means by bin.

    With one target or two classes the best set is one of the first ones in this order (Fisher
    1958); with more classes the share of the node's largest class stands in for the mean.
    """
    classes, shift, hist, bins = rule.spec[0], rule.spec[1], work.hist, work.bins
    means, top = work.scores[1].view(np.float64), 0
    for c in range(1, classes if classes > 2 else 1):
        top = c if work.sums[1, c] > work.sums[1, top] else top
    for i in range(m):
        b = bins[i]
        if classes < 3:
            g, h = hist[b] >> shift, hist[b] & ((np.int64(1) << shift) - 1)
        else:
            g, h = hist[b * classes + top], np.int64(0)
            for c in range(classes):
                h += hist[b * classes + c]
        mean, j = np.float64(g) / (np.float64(h) + rule.limits[0]), i
        while j > 0 and means[j - 1] > mean:
            means[j], bins[j] = means[j - 1], bins[j - 1]
            j -= 1
        means[j], bins[j] = mean, b


@exact
def toss(m, key, feature, bins):
    """Bring a random half of the `m` bins to the front, or one if all fell on one side; return how many they are."""
    count = 0
    for i in range(m):
        if mix(key ^ mix(np.uint64(256 * feature + bins[i]))) & np.uint64(1):
            bins[i], bins[count] = bins[count], bins[i]
            count += 1
    if m > 1 and (count == 0 or count == m):
        i = below(mix(key ^ mix(np.uint64(feature))), m)
        bins[i], bins[0], count = bins[0], bins[i], 1
    return count


@exact
def better_set(feature, key, rows, m, rule, work):
    """Do what `forest_split.better` does for a categorical feature; the bins that go left are set in ``work.chosen``.

    Missing values are a category. Bins that the node does not have go where most of its rows go.
    """
    sums, bins, best, chosen = work.sums, work.bins, work.best, work.chosen
    shift, node_h = rule.spec[1], sums[1, sums.shape[1] - 1]
    least_h = max(rule.limits[3], rule.limits[4] * node_h / rows)
    only = np.int64(-1)
    if rule.spec[4]:
        only = toss(m, key, feature, bins)
    else:
        arrange(m, rule, work)
    if rule.spec[0] < 3:
        node = (sums[1, 0] << shift) + node_h
        score, count, left = scan(m, np.int64(0), only, least_h, node, rule, work)
        left_h = left & ((np.int64(1) << shift) - 1)
    else:
        score, count, left_h = scan_classes(m, -1, only, least_h, rule, work)
    if count > 0 and (score > best[0] or (score == best[0] and feature < best[1])):
        best[0], best[1], best[2], best[3] = score, feature, SET, left_h
        chosen[:] = ALL if 2 * left_h >= node_h else np.uint64(0)
        for i in range(m):
            word, bit = bins[i] >> 6, np.uint64(1) << np.uint64(bins[i] & 63)
            chosen[word] = chosen[word] | bit if i < count else chosen[word] & ~bit
