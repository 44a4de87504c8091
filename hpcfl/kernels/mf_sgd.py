"""Stochastic gradient steps on the ratings of one block of a grid."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import jit


@jit
def sweep(
    user: np.ndarray, item: np.ndarray, rating: np.ndarray, hyper: np.ndarray, users: np.ndarray, items: np.ndarray
) -> None:
    """Take one step a rating, in the given order (Koren, Bell, Volinsky 2009, biased).

    Parameters
    ----------
    user, item : (m,) int32
        Rows of `users` and `items`.
    rating : (m,) float
    hyper : (4,) float64
        Learning rate, regularization, whether there are biases, mean.
    users, items : (n, k + 1) float
        Factors and biases, changed in place.
    """
    kind = users.dtype.type
    k = users.shape[1] - 1
    rate, shrink, mean = kind(hyper[0]), kind(hyper[0] * hyper[1]), kind(hyper[3])
    bias_rate = kind(hyper[0] * hyper[2])
    for t in range(user.size):
        p, q = users[user[t]], items[item[t]]
        e = kind(rating[t]) - mean - p[k] - q[k]
        for j in range(k):
            e -= p[j] * q[j]
        step = rate * e
        for j in range(k):
            a, b = p[j], q[j]
            p[j] = a + step * b - shrink * a
            q[j] = b + step * a - shrink * b
        p[k] += bias_rate * e - shrink * p[k]
        q[k] += bias_rate * e - shrink * q[k]
