"""Gradients of the items' factors, summed over users as fixed-point integers."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import jit

LIMIT = 2.0**61


@jit
def add(
    indptr: np.ndarray,
    index: np.ndarray,
    rating: np.ndarray,
    mean: float,
    users: np.ndarray,
    items: np.ndarray,
    unit: float,
    sums: np.ndarray,
) -> bool:
    """Add ``e * (p_u, 1)`` of every rating to its item's sum, in units of 1 / `unit`.

    Parameters
    ----------
    indptr, index, rating
        Ratings of `users`, compressed by user; index into `items`.
    mean : float
    users, items : (n, k + 1) float
    unit : float
    sums : (n_items, k + 1) int64
        Changed in place.

    Returns
    -------
    bool
        False if a term is not finite or a sum would pass 2^61.
    """
    k = users.shape[1] - 1
    fine = True
    for u in range(users.shape[0]):
        p = users[u]
        for t in range(indptr[u], indptr[u + 1]):
            q, out = items[index[t]], sums[index[t]]
            e = rating[t] - mean - p[k] - q[k]
            for j in range(k):
                e -= p[j] * q[j]
            for j in range(k):
                term = unit * e * p[j]
                fine &= abs(term) + abs(out[j]) < LIMIT
                out[j] += round(term)
            fine &= abs(unit * e) + abs(out[k]) < LIMIT
            out[k] += round(unit * e)
    return fine
