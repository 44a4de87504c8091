"""Alternating least squares: users from items, items from users, each rank its own rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcfl import seeding
from hpcfl.comm.communicator import Comm
from hpcfl.errors import DataError
from hpcfl.factorization.deal import Deal
from hpcfl.factorization.exchange import Exchange
from hpcfl.factorization.gram import Gram
from hpcfl.factorization.half import Half
from hpcfl.factorization.ratings import Ratings
from hpcfl.kernels import factors


class Alternating:
    """The state of ALS.

    Attributes
    ----------
    users, items : (n, rank + 1) float
        Factors and biases of the rows that this rank owns.
    """

    both_sides = True
    private = False

    def __init__(self, rule: Any, ratings: Ratings, dtype: np.typing.DTypeLike, seed: int, comm: Comm) -> None:
        with comm.together("reading the ratings"):
            if rule.implicit and (ratings.by_user.rating < 0).any():
                raise DataError("model.implicit = true: a rating is negative; counts or strengths >= 0 are needed")
        width, mine, theirs = rule.rank + 1, ratings.by_user, ratings.by_item
        self.users, self.items = (np.zeros((d.stop - d.first, width), dtype) for d in (ratings.users, ratings.items))
        factors.start(seeding.key(seed, "items"), ratings.items.first, rule.rank**-0.5, self.items)
        self.to_users = Exchange(ratings.items, mine.indices, width, dtype, comm)
        self.to_items = Exchange(ratings.users, theirs.indices, width, dtype, comm)
        self.user_half = Half(rule, mine._replace(indices=self.to_users.index), ratings.mean, dtype)
        self.item_half = Half(rule, theirs._replace(indices=self.to_items.index), ratings.mean, dtype)
        self.grams = [Gram(d, rule.rank, dtype, comm) for d in (ratings.items, ratings.users)] if rule.implicit else []
        self.to_users.send(self.items, "items")

    def kept(self) -> dict[str, tuple[np.ndarray, Deal]]:
        """Return what the next step depends on: this rank's rows, and whose they are."""
        return {"users": (self.users, self.to_items.deal), "items": (self.items, self.to_users.deal)}

    def restore(self, shared: Mapping[str, np.ndarray], iteration: int) -> None:
        """Go on from all factors as they were after `iteration` (collective)."""
        self.users[:] = self.to_items.deal.own(shared["users"])
        self.items[:] = self.to_users.deal.own(shared["items"])
        self.to_users.send(self.items, "items")

    def step(self) -> None:
        """Make one iteration (collective)."""
        self.user_half(self.to_users.table, self.grams[0](self.items) if self.grams else None, self.users)
        self.to_items.send(self.users, "users")
        self.item_half(self.to_items.table, self.grams[1](self.users) if self.grams else None, self.items)
        self.to_users.send(self.items, "items")

    def warm(self) -> None:
        """Compile what `step` calls (local)."""
        for part, exchange, out in (
            (self.user_half, self.to_users, self.users),
            (self.item_half, self.to_items, self.items),
        ):
            part.warm(exchange.table, out)
