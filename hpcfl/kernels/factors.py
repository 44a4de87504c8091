"""Factors put to use: first values, predictions, the best items of a user."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import jit, part
from hpcfl.kernels.order import mix


@jit
def start(key: np.uint64, first: int, scale: float, out: np.ndarray) -> None:
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
def predict(
    user: np.ndarray, item: np.ndarray, users: np.ndarray, items: np.ndarray, mean: float, out: np.ndarray
) -> None:
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
def add_up(indptr: np.ndarray, index: np.ndarray, other: np.ndarray, out: np.ndarray) -> None:
    """Write the sum of the rows ``index[indptr[r]:indptr[r + 1]]`` of `other` (m, k) into each ``out[r]`` (n, k)."""
    for r in range(out.shape[0]):
        out[r] = 0
        for t in range(indptr[r], indptr[r + 1]):
            row = other[index[t]]
            for j in range(row.size):
                out[r, j] += row[j]


@part
def best(row: np.ndarray, items: np.ndarray, seen: np.ndarray, scores: np.ndarray, top: np.ndarray) -> None:
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
            for j in range(top.size - 1, at, -1):
                top[j] = top[j - 1]
            top[at] = i


@jit
def judge(
    users: np.ndarray,
    items: np.ndarray,
    indptr: np.ndarray,
    seen: np.ndarray,
    test_indptr: np.ndarray,
    relevant: np.ndarray,
    t: int,
    out: np.ndarray,
) -> None:
    """Measure each user's best items against the held-out ones (binary relevance).

    Parameters
    ----------
    users : (n, k + 1) float, items : (m, k + 1) float
    indptr : (n + 1,) int64, seen : int32
        Items of each user's training ratings, sorted.
    test_indptr : (n + 1,) int64, relevant : int32
        Held-out items of each user, sorted.
    t : int
        How many items are the best.
    out : (n, 4) float64
        Output: precision, recall, NDCG and average precision at t; NaN for a user without
        relevant items. The ideal of the last two is min(t, relevant items) hits in front.
    """
    top, scores = np.empty(t, np.int64), np.empty(items.shape[0], items.dtype)
    for u in range(users.shape[0]):
        wanted = relevant[test_indptr[u] : test_indptr[u + 1]]
        if wanted.size == 0:
            out[u] = np.nan
            continue
        best(users[u], items, seen[indptr[u] : indptr[u + 1]], scores, top)
        hits, gain, average, ideal = 0, 0.0, 0.0, 0.0
        for place in range(top.size):
            if place < wanted.size:
                ideal += 1 / np.log2(place + 2.0)
            at = np.searchsorted(wanted, top[place])
            if at < wanted.size and wanted[at] == top[place]:
                hits += 1
                gain += 1 / np.log2(place + 2.0)
                average += hits / (place + 1.0)
        out[u, 0] = hits / top.size
        out[u, 1] = hits / wanted.size
        out[u, 2] = gain / ideal
        out[u, 3] = average / min(top.size, wanted.size)


@jit
def pair_hashes(key: np.uint64, user: np.ndarray, item: np.ndarray, out: np.ndarray) -> None:
    """Write 64 random bits of each pair of `user` and `item` (n,) into `out` (n,) uint64."""
    for t in range(user.size):
        out[t] = mix(mix(key, user[t]), item[t])
