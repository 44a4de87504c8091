"""Federated matrix factorization: a user's factors never leave the rank that owns the user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hpcfl.schema import key


@dataclass(frozen=True)
class FederatedMF:
    """Users solve for their own factors; only summed gradients of the items' factors are exchanged.

    After the federated collaborative filter of Ammad-ud-din et al. 2019, for explicit ratings.
    """

    rank: int = key(32, "factors of a user and of an item")
    regularization: float = key(0.05, "weight of the penalty on squared factors and biases, per rating")
    biases: bool = key(True, "users and items have biases")
    learning_rate: float = key(1.0, "size of a step along an item's mean gradient")
    split: Literal["random", "time"] = key(
        "random", "which ratings `data.test = FRACTION` holds out: any, or the newest"
    )
    top: int = key(10, "length of the list of items that ranking metrics judge")
    relevant: float = key(0.0, "held-out ratings of at least this are what ranking metrics look for")

    task = "ratings"
    implicit = False
    scale_by_count = True

    def __post_init__(self) -> None:
        for name in ("rank", "top"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}: a whole number above 0 is needed")
        for name in ("regularization", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} = {getattr(self, name)}: a value above 0 is needed")
