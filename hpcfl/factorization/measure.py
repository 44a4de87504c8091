"""How good factors are: errors of ratings, the implicit loss, and rankings of unseen items."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.factorization.ratings import Ratings
from hpcfl.kernels import factors


def train_loss(rule: Any, ratings: Ratings, users: np.ndarray, items: np.ndarray, comm: Comm) -> float:
    """Return the mean squared error of the training ratings, or the implicit loss (collective).

    The implicit loss is ``sum c (p - p_u . q_i)^2`` over all pairs of user and item, divided by
    their number; the penalty is left out.

    Parameters
    ----------
    users : (n, k + 1) float
        Of this rank's users.
    items : (m, k + 1) float
        All items.
    """
    side = ratings.by_user
    user = np.repeat(np.arange(len(users), dtype=np.int32), np.diff(side.indptr))
    out = np.empty(user.size)
    factors.predict(user, side.indices, users, items, 0.0 if rule.implicit else ratings.mean, out)
    if not rule.implicit:
        return ratings.users.sum((side.rating - out) ** 2, side.indptr, comm, "evaluate") / int(ratings.facts["rows"])
    confidence = 1 + rule.alpha * side.rating.astype(np.float64)
    seen = ratings.users.sum(confidence * (1 - out) ** 2 - out**2, side.indptr, comm, "evaluate")
    wide = items[:, :-1].astype(np.float64)
    gram = wide.T @ wide
    every = np.einsum("ij,jk,ik->i", users[:, :-1], gram, users[:, :-1], optimize=True)
    whole = ratings.users.sum(every, np.arange(len(users) + 1), comm, "evaluate")
    return (whole + seen) / (len(items) * ratings.counts[0].size)


def predictions(rule: Any, ratings: Ratings, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Return the predictions (n,) of this rank's held-out ratings; unknown users and items add nothing."""
    out = np.empty(ratings.test.user.size)
    user = np.where(ratings.test.user < 0, -1, ratings.test.user - ratings.users.first)
    factors.predict(user, ratings.test.item, users, items, 0.0 if rule.implicit else ratings.mean, out)
    return out


def ranking(rule: Any, ratings: Ratings, users: np.ndarray, items: np.ndarray, comm: Comm) -> dict[str, float]:
    """Judge each user's best unseen items against the held-out ones (collective).

    Returns
    -------
    dict
        precision, recall, ndcg and map at `rule.top`, means over the users with held-out ratings
        of at least `rule.relevant` of known items.
    """
    test = ratings.test
    good = (test.rating >= rule.relevant) & (test.user >= 0) & (test.item >= 0)
    user = test.user[good] - ratings.users.first
    indptr = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=len(users)))])
    out = np.empty((len(users), 4))
    side, relevant = ratings.by_user, test.item[good].astype(np.int32)
    factors.judge(users, items, side.indptr, side.indices, indptr, relevant, rule.top, out)
    judged = np.isfinite(out[:, 0])
    each = np.arange(len(users) + 1)
    count = ratings.users.sum(judged.astype(np.float64), each, comm, "evaluate")
    names = [f"{name}@{rule.top}" for name in ("precision", "recall", "ndcg", "map")]
    columns = np.where(judged[:, None], out, 0).T
    sums = [ratings.users.sum(np.ascontiguousarray(column), each, comm, "evaluate") for column in columns]
    return {name: total / count if count else float("nan") for name, total in zip(names, sums, strict=True)}


def warm(users: np.ndarray, items: np.ndarray) -> None:
    """Compile what the functions above call (local)."""
    for kind in (np.int32, np.int64):
        factors.predict(np.zeros(0, kind), np.zeros(0, kind), users, items, 0.0, np.zeros(0))
    start, some = np.zeros(1, np.int64), np.zeros(0, np.int32)
    factors.judge(users[:0], items, start, some, start, some, 1, np.zeros((0, 4)))
