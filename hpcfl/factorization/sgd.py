"""Distributed SGD by rotating blocks (DSGD, Gemulla, Nijkamp, Haas, Sismanis 2011)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcfl import seeding
from hpcfl.comm.communicator import Comm
from hpcfl.factorization.deal import Deal
from hpcfl.factorization.feedback import Feedback
from hpcfl.factorization.ratings import Ratings
from hpcfl.kernels import factors, mf_sgd


class Rotation:
    """The state of DSGD.

    Users and items are cut into the job file's number of strips. In sub-step s, user strip i
    trains on item strip i + s: no two strips share a row, so they may run at once, on as many
    ranks as there are strips. Then each rank passes the item strip of its first user strip on to
    the rank before it. After all sub-steps every item strip is where it began.

    Attributes
    ----------
    own, items : (n, rank + 1) float
        Factors and biases of the rows that this rank owns (the items: between two iterations).
    feedback : Feedback or None
        What shifts the users' factors (SVD++).
    """

    both_sides = False
    private = False

    def __init__(self, rule: Any, ratings: Ratings, dtype: np.typing.DTypeLike, seed: int, comm: Comm) -> None:
        self.comm, self.deal, self.user_deal = comm, ratings.items, ratings.users
        self.hyper = np.array([rule.learning_rate, rule.regularization, rule.biases, ratings.mean])
        self.decay, scale = rule.decay, 0.1 * rule.rank**-0.5
        self.own = np.zeros((ratings.users.stop - ratings.users.first, rule.rank + 1), dtype)
        self.table = np.zeros((int(self.deal.bounds[-1]), rule.rank + 1), dtype)
        factors.start(seeding.key(seed, "users"), ratings.users.first, scale, self.own)
        factors.start(seeding.key(seed, "items"), 0, scale, self.table)
        self.cells = _cells(ratings, seed, dtype)
        self.feedback = Feedback(rule, ratings, dtype, comm) if rule.feedback else None

    @property
    def users(self) -> np.ndarray:
        """Factors and biases as they act on items."""
        if not self.feedback:
            return self.own
        return np.append(self.own[:, :-1] + self.feedback.shift, self.own[:, -1:], axis=1)

    @property
    def items(self) -> np.ndarray:
        """The item rows that this rank owns."""
        return self.deal.own(self.table)

    def kept(self) -> dict[str, tuple[np.ndarray, Deal]]:
        """Return what the next step depends on: this rank's rows, and whose they are."""
        out = {"users": (self.own, self.user_deal), "items": (self.items, self.deal)}
        return out | ({"feedback": (self.feedback.y, self.deal)} if self.feedback else {})

    def restore(self, shared: Mapping[str, np.ndarray], iteration: int) -> None:
        """Go on from `kept` of all ranks as it was after `iteration` (collective)."""
        self.own[:], self.table[:] = self.user_deal.own(shared["users"]), shared["items"]
        if self.feedback:
            self.feedback.restore(self.deal.own(shared["feedback"]))
        for _ in range(iteration):
            self.hyper[0] *= self.decay

    def step(self) -> None:
        """Visit every block of the grid once (collective)."""
        strips, runs = len(self.deal.cuts) - 1, self.deal.runs
        for s in range(strips):
            for i in range(runs[self.comm.rank], runs[self.comm.rank + 1]):
                self._sweep(*self.cells[i, (i + s) % strips])
            self._rotate(s, strips)
        if self.feedback:
            self.feedback.step()
        self.hyper[0] *= self.decay

    def warm(self) -> None:
        """Compile what `step` calls (local)."""
        none = np.zeros(0, np.int32)
        self._sweep(none, none, np.zeros(0, self.own.dtype))
        if self.feedback:
            self.feedback.warm()

    def _sweep(self, user: np.ndarray, item: np.ndarray, rating: np.ndarray) -> None:
        if self.feedback:
            more = self.feedback.shift, self.feedback.pull
            mf_sgd.sweep_feedback(user, item, rating, self.hyper, self.own, self.table, *more)
        else:
            mf_sgd.sweep(user, item, rating, self.hyper, self.own, self.table)

    def _rotate(self, s: int, strips: int) -> None:
        """Pass an item strip to the rank before; ranks without strips pass nothing."""
        busy = np.flatnonzero(np.diff(self.deal.runs))
        if busy.size == 1:
            return
        counts, sources = np.zeros((2, self.comm.size), np.int64), np.zeros(0, self.table.dtype)
        target = np.zeros(0, self.table.dtype)
        if self.comm.rank in busy:
            at = int(np.searchsorted(busy, self.comm.rank))
            before, after = busy[at - 1], busy[(at + 1) % busy.size]
            sources = self._strip((self.deal.runs[self.comm.rank] + s) % strips)
            target = self._strip((self.deal.runs[after] + s) % strips)
            counts[0, before], counts[1, after] = sources.size, target.size
        self.comm.exchange(sources, counts[0], target, counts[1], "items")

    def _strip(self, j: int) -> np.ndarray:
        return self.table[self.deal.cuts[j] : self.deal.cuts[j + 1]].reshape(-1)


def _cells(ratings: Ratings, seed: int, dtype: np.typing.DTypeLike) -> dict[tuple[int, int], tuple[np.ndarray, ...]]:
    """Return user, item, rating of each block of this rank's strips, shuffled by a hash of the pair."""
    side, runs = ratings.by_user, ratings.users.runs
    user = np.repeat(np.arange(side.indptr.size - 1, dtype=np.int32), np.diff(side.indptr))
    hashes = np.empty(user.size, np.uint64)
    factors.pair_hashes(seeding.key(seed, "order"), user + ratings.users.first, side.indices, hashes)
    row = np.searchsorted(ratings.users.cuts, user + ratings.users.first, "right") - 1
    column = np.searchsorted(ratings.items.cuts, side.indices, "right") - 1
    strips = len(ratings.items.cuts) - 1
    order = np.lexsort((hashes, column, row))
    edges = np.searchsorted((row * strips + column)[order], np.arange(strips * strips + 1))
    out: dict[tuple[int, int], tuple[np.ndarray, ...]] = {}
    for i in range(runs[ratings.users.rank], runs[ratings.users.rank + 1]):
        for j in range(strips):
            pick = order[edges[i * strips + j] : edges[i * strips + j + 1]]
            out[i, j] = user[pick], side.indices[pick], side.rating[pick].astype(dtype)
    return out
