"""Factors put to use: first values, predictions, the best items of a user."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import jit
from hpcfl.kernels.order import mix


@jit
def start(key, first, scale, out):
    """Fill rows first, first + 1, ... with uniform numbers in [-scale, scale), biases 0.

    Parameters
    ----------
    key : uint64
    first : int
    scale : float
    out : (n, k + 1) float
        Output.
    """
    k = out.shape[1] - 1
    for i in range(out.shape[0]):
        for j in range(k):
            bits = mix(key, (first + i) * k + j) >> np.uint64(11)
            out[i, j] = scale * (np.float64(bits) * 2.0**-52 - 1.0)
        out[i, k] = 0


@jit
def predict(user, item, users, items, mean, out):
    """Predict ratings: mean + biases + product of factors.

    Parameters
    ----------
    user, item : (m,) int32
        Rows; below 0 or past the end is unknown, which adds nothing to the mean.
    users, items : (n, k + 1) float
    mean : float
    out : (m,) float64
        Output.
    """
    k = users.shape[1] - 1
    for t in range(user.size):
        u, i = user[t], item[t]
        has_user, has_item = 0 <= u < users.shape[0], 0 <= i < items.shape[0]
        out[t] = mean
        if has_user:
            out[t] += users[u, k]
        if has_item:
            out[t] += items[i, k]
        if has_user and has_item:
            s = users.dtype.type(0)
            for j in range(k):
                s += users[u, j] * items[i, j]
            out[t] += s


@jit
def best(row, items, seen, scores, top):
    """Find the items of highest score that a user has not seen; ties by item number.

    Parameters
    ----------
    row : (k + 1,) float
        Of the user.
    items : (n, k + 1) float
    seen : (s,) int32
        Items left out, sorted.
    scores : (n,) float
        Output: factors' product plus the item's bias; -inf for seen items.
    top : (t,) int64
        Output: items, best first; -1 past the last one there is.
    """
    k = row.size - 1
    for i in range(items.shape[0]):
        s = items[i, k]
        for j in range(k):
            s += row[j] * items[i, j]
        scores[i] = s
    for i in seen:
        scores[i] = -np.inf
    top[:] = -1
    for i in range(items.shape[0]):
        at = top.size
        while at > 0 and scores[i] > -np.inf and (top[at - 1] < 0 or scores[i] > scores[top[at - 1]]):
            at -= 1
        if at < top.size:
            top[at + 1 :] = top[at:-1].copy()
            top[at] = i
