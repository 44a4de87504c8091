"""The weighted mean of updates that are not too long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

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
        return 1

    def combine(self, v: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return one vector (P,) for the updates `v` (m, P) float64 of weights (m,)."""
        length = np.sqrt(np.square(v).sum(axis=1))
        kept = weights * (length <= self.factor * np.median(length))
        return np.asarray(kept @ v / kept.sum())
