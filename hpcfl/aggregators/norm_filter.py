"""The weighted mean of updates that are not too long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.aggregators import Squares, average
from hpcfl.schema import key


@dataclass(frozen=True)
class NormFilter:
    """Leaves out updates longer than `factor` times the median length."""

    factor: float = key(2.0, "longest accepted length, in median lengths")

    stack: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.factor < 1:
            raise ValueError(f"factor = {self.factor}: 1 or more is needed")

    def needs(self) -> int:
        """Return how many updates it takes for the rule to hold."""
        return 3

    def combine(self, v: np.ndarray, weights: np.ndarray, last: np.ndarray, squares: Squares) -> np.ndarray:
        """Return one vector (p,) for the updates `v` (m, p) float64 of weights (m,)."""
        length = np.sqrt(squares(v))
        return average(v, weights * (length <= self.factor * np.median(length)))
