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


@jit
def sweep_feedback(
    user: np.ndarray,
    item: np.ndarray,
    rating: np.ndarray,
    hyper: np.ndarray,
    users: np.ndarray,
    items: np.ndarray,
    feedback: np.ndarray,
    pull: np.ndarray,
) -> None:
    """Take the steps of `sweep` where users have a fixed second vector (SVD++, Koren 2008).

    Parameters
    ----------
    user, item, rating, hyper, users, items
        As in `sweep`.
    feedback : (n, k) float
        What each user's factors are shifted by: they act as ``users[:, :k] + feedback``.
    pull : (n, k) float
        The sum of ``e q`` over a user's ratings is added: which way its feedback should go.
    """
    kind = users.dtype.type
    k = users.shape[1] - 1
    rate, shrink, mean = kind(hyper[0]), kind(hyper[0] * hyper[1]), kind(hyper[3])
    bias_rate = kind(hyper[0] * hyper[2])
    for t in range(user.size):
        p, q, z, g = users[user[t]], items[item[t]], feedback[user[t]], pull[user[t]]
        e = kind(rating[t]) - mean - p[k] - q[k]
        for j in range(k):
            e -= (p[j] + z[j]) * q[j]
        step = rate * e
        for j in range(k):
            a, b = p[j], q[j]
            p[j] = a + step * b - shrink * a
            q[j] = b + step * (a + z[j]) - shrink * b
            g[j] += e * b
        p[k] += bias_rate * e - shrink * p[k]
        q[k] += bias_rate * e - shrink * q[k]
