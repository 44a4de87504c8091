"""Federated factorization: users' factors stay with their rank, summed item gradients travel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcfl import seeding
from hpcfl.comm.communicator import Comm
from hpcfl.errors import DivergedError
from hpcfl.factorization.deal import Deal
from hpcfl.factorization.half import Half
from hpcfl.factorization.ratings import Ratings
from hpcfl.kernels import factors, mf_gradient

BITS = 32  # binary places of the sums' fixed point: integers, so that ranks do not matter


class Silos:
    """The state of federated factorization.

    In a round each user solves for its own factors, as in ALS, and adds its gradient of the
    items' factors to its rank's sum. The sums of all ranks are added; every rank takes the same
    step along each item's mean gradient. Nothing else is sent.

    Attributes
    ----------
    users, items : (n, rank + 1) float
        Factors and biases of the users that this rank owns, and of the items it is in charge of.
    """

    both_sides = False
    private = True

    def __init__(self, rule: Any, ratings: Ratings, dtype: np.typing.DTypeLike, seed: int, comm: Comm) -> None:
        self.comm, self.deal, self.side, self.rule = comm, ratings.items, ratings.by_user, rule
        self.mean, self.count = ratings.mean, np.maximum(ratings.counts[1], 1)[:, None]
        self.users = np.zeros((ratings.users.stop - ratings.users.first, rule.rank + 1), dtype)
        self.table = np.zeros((ratings.counts[1].size, rule.rank + 1), dtype)
        factors.start(seeding.key(seed, "items"), 0, rule.rank**-0.5, self.table)
        self.half = Half(rule, self.side, ratings.mean, dtype)
        self.sums = np.zeros(self.table.shape, np.int64)

    @property
    def items(self) -> np.ndarray:
        """The item rows that this rank is in charge of when the model is written."""
        return self.deal.own(self.table)

    def kept(self) -> dict[str, tuple[np.ndarray, Deal]]:
        """Return what the next round depends on: this rank's rows, and whose they are."""
        return {"items": (self.items, self.deal)}

    def restore(self, shared: Mapping[str, np.ndarray], iteration: int) -> None:
        """Go on from the items' factors, which is all that a round starts from (local)."""
        self.table[:] = shared["items"]
        self.half(self.table, None, self.users)

    def step(self) -> None:
        """Make one round (collective).

        Raises
        ------
        DivergedError
            A gradient is not finite, or too large for its fixed point.
        """
        self.half(self.table, None, self.users)
        self.sums[:] = 0
        with self.comm.together("summing item gradients"):
            if not mf_gradient.add(*self.side, self.mean, self.users, self.table, 2.0**BITS, self.sums):
                raise DivergedError("an item's gradient is too large; lower model.learning_rate")
        self.comm.sum(self.sums, "item gradients")
        gradient = self.sums * 2.0**-BITS / self.count - self.rule.regularization * self.table
        if not self.rule.biases:
            gradient[:, -1] = 0
        self.table += (self.rule.learning_rate * gradient).astype(self.table.dtype)

    def warm(self) -> None:
        """Compile what `step` calls (local)."""
        self.half.warm(self.table, self.users)
        none = self.side._replace(indptr=self.side.indptr[:1])
        mf_gradient.add(*none, self.mean, self.users[:0], self.table, 2.0**BITS, self.sums)
