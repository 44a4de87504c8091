"""Matrix factorization by stochastic gradient descent over a grid of blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hpcfl.schema import key


@dataclass(frozen=True)
class SgdMF:
    """The biased model of Koren, Bell, Volinsky 2009, trained by DSGD (Gemulla et al. 2011); or SVD++ (Koren 2008)."""

    rank: int = key(32, "factors of a user and of an item")
    regularization: float = key(0.03, "weight of the penalty on squared factors and biases, per rating")
    biases: bool = key(True, "users and items have biases")
    learning_rate: float = key(0.02, "size of a step")
    decay: float = key(0.95, "factor of the learning rate after each iteration")
    feedback: bool = key(False, "SVD++: which items a user has rated shifts its factors")
    feedback_rate: float = key(1.0, "SVD++: size of an item's step, once an iteration")
    blocks: int = key(8, "strips that users and items are cut into; at most so many ranks have work")
    split: Literal["random", "time"] = key(
        "random", "which ratings `data.test = FRACTION` holds out: any, or the newest"
    )
    top: int = key(10, "length of the list of items that ranking metrics judge")
    relevant: float = key(0.0, "held-out ratings of at least this are what ranking metrics look for")

    task = "ratings"
    implicit = False

    def __post_init__(self) -> None:
        for name in ("rank", "top", "blocks"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}: a whole number above 0 is needed")
        for name in ("regularization", "learning_rate", "decay", "feedback_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} = {getattr(self, name)}: a value above 0 is needed")
