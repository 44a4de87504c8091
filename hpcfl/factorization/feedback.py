"""Implicit feedback of SVD++ (Koren 2008): which items a user has rated says something of its taste.

A user's factors act as ``p_u + |N(u)|^-1/2 sum of y_j``, j over the items N(u) that it has rated.
Koren updates every y_j of a user at each of its ratings. Here, where items are spread over ranks,
the errors of a whole iteration are collected by user, and then each y_j takes one step along its
gradient. The step is divided by ``sum of |N(u)|`` over the users of item j, which bounds the
curvature that all y of a step have together (Gershgorin), so that it depends on no size of the data.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.factorization.exchange import Exchange
from hpcfl.factorization.ratings import Ratings
from hpcfl.kernels import factors


class Feedback:
    """The vectors y of items, and what they come to for users.

    Attributes
    ----------
    y : (items, k) float
        Of the items that this rank owns.
    shift : (users, k) float
        ``|N(u)|^-1/2 sum of y_j`` of the users that this rank owns.
    pull : (users, k) float
        Sums of error times item factors of this iteration; the sweeps add to it.
    """

    def __init__(self, rule: Any, ratings: Ratings, dtype: np.typing.DTypeLike, comm: Comm) -> None:
        self.rate, self.regularization = rule.feedback_rate, rule.regularization
        self.by_user, self.by_item = ratings.by_user, ratings.by_item
        count = np.maximum(np.diff(self.by_user.indptr), 1).astype(dtype)[:, None]
        self.root = count**-0.5
        self.y = np.zeros((ratings.items.stop - ratings.items.first, rule.rank), dtype)
        self.shift, self.pull = np.zeros((2, len(count), rule.rank), dtype)
        self.to_users = Exchange(ratings.items, self.by_user.indices, rule.rank, dtype, comm)
        self.to_items = Exchange(ratings.users, self.by_item.indices, rule.rank, dtype, comm)
        self.gradient = np.zeros_like(self.y)
        sizes = np.zeros((len(self.y), 1), dtype)
        every = ratings.counts[0].astype(dtype)[:, None]
        factors.add_up(self.by_item.indptr, self.by_item.indices, every, sizes)
        self.scale = 1 / np.maximum(sizes, 1)

    def restore(self, y: np.ndarray) -> None:
        """Go on from `y` (items, k) of this rank (collective)."""
        self.y[:] = y
        self._shift()

    def step(self) -> None:
        """Move y along what `pull` has collected, and the users with it (collective)."""
        self.pull *= self.root
        self.to_items.send(self.pull, "feedback")
        factors.add_up(self.by_item.indptr, self.to_items.index, self.to_items.table, self.gradient)
        self.y += self.rate * (self.scale * self.gradient - self.regularization * self.y)
        self.pull[:] = 0
        self._shift()

    def warm(self) -> None:
        """Compile what `step` calls (local)."""
        factors.add_up(self.by_user.indptr[:1], self.to_users.index, self.to_users.table, self.shift[:0])

    def _shift(self) -> None:
        self.to_users.send(self.y, "feedback")
        factors.add_up(self.by_user.indptr, self.to_users.index, self.to_users.table, self.shift)
        self.shift *= self.root
