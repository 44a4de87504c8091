"""Losses that are boosted: negative gradients and hessians of each row, as the stats that trees sum."""

from __future__ import annotations

import math

import numpy as np

from hpcfl.kernels.flags import exact


@exact
def gradients(y, weight, score, classes, g, h, high):
    """Write negative gradients and hessians, times the weight, and the largest of both.

    Parameters
    ----------
    y, weight : (n,) float64
        Target or class, and weight.
    score : (n, k) float64
        Raw scores.
    classes : int
        0: squared loss; 2: logistic; more: softmax, with k of them.
    g, h : (n, k) float64
        Out.
    high : (2,) float64
        Out: the largest |g| and h.
    """
    high[:] = 0
    for i in range(y.size):
        total, top = 0.0, -np.inf
        if classes > 2:
            for c in range(score.shape[1]):
                top = max(top, score[i, c])
            for c in range(score.shape[1]):
                h[i, c] = math.exp(score[i, c] - top)
                total += h[i, c]
        for c in range(score.shape[1]):
            if classes == 0:
                g[i, c], h[i, c] = weight[i] * (y[i] - score[i, c]), weight[i]
            else:
                p = 1 / (1 + math.exp(-score[i, c])) if classes == 2 else h[i, c] / total
                goal = y[i] if classes == 2 else np.float64(y[i] == c)
                g[i, c], h[i, c] = weight[i] * (goal - p), weight[i] * p * (1 - p)
            high[0], high[1] = max(high[0], abs(g[i, c])), max(high[1], h[i, c])


@exact
def whole(g, h, g_scale, h_scale, shift, out):
    """Write the stats (see forest_split.py) of gradients and hessians (n, k), rounded to whole steps of at least 1."""
    for i in range(g.shape[0]):
        for c in range(g.shape[1]):
            steps = max(np.int64(np.rint(h[i, c] * h_scale)), 1)
            out[i, c] = (np.int64(np.rint(g[i, c] * g_scale)) << shift) + steps


@exact
def losses(y, weight, score, classes, out):
    """Write the loss of each row, times the weight, into `out` (n,); arguments as `gradients`."""
    for i in range(y.size):
        s = score[i, 0]
        if classes == 0:
            out[i] = weight[i] * (y[i] - s) ** 2 / 2
        elif classes == 2:
            s = -s if y[i] > 0 else s
            out[i] = weight[i] * (max(s, 0.0) + math.log1p(math.exp(-abs(s))))
        else:
            total, top = 0.0, -np.inf
            for c in range(score.shape[1]):
                top = max(top, score[i, c])
            for c in range(score.shape[1]):
                total += math.exp(score[i, c] - top)
            out[i] = weight[i] * (math.log(total) + top - score[i, np.int64(y[i])])
