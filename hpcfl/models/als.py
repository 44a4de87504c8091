"""Alternating least squares: ratings = mean + biases + product of factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hpcfl.schema import key


@dataclass(frozen=True)
class ALS:
    """Explicit (Zhou et al. 2008) or implicit (Hu, Koren, Volinsky 2008) ratings."""

    rank: int = key(32, "factors of a user and of an item")
    implicit: bool = key(False, "ratings are counts or strengths of interest; what is absent is a weak no")
    regularization: float = key(0.05, "weight of the penalty on squared factors and biases")
    scale_by_count: bool = key(True, "the penalty of a user or an item is multiplied by its number of ratings")
    biases: bool = key(True, "users and items have biases (explicit ratings)")
    alpha: float = key(40.0, "confidence is 1 + alpha * rating (implicit ratings)")
    solver: Literal["cholesky", "cg"] = key(
        "cholesky", "implicit ratings: exact, or a few steps of conjugate gradients"
    )
    cg_steps: int = key(3, "steps of conjugate gradients in a half iteration")
    split: Literal["random", "time"] = key(
        "random", "which ratings `data.test = FRACTION` holds out: any, or the newest"
    )
    top: int = key(10, "length of the list of items that ranking metrics judge")
    relevant: float = key(0.0, "held-out ratings of at least this are what ranking metrics look for")

    task = "ratings"

    def __post_init__(self) -> None:
        for name in ("rank", "top", "cg_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}: a whole number above 0 is needed")
        if not self.regularization > 0:
            raise ValueError(f"regularization = {self.regularization}: a value above 0 is needed")
        if self.implicit and not self.alpha > 0:
            raise ValueError(f"alpha = {self.alpha}: a value above 0 is needed")
        if self.solver == "cg" and not self.implicit:
            raise ValueError("solver = 'cg': only implicit = true has it; use 'cholesky'")
