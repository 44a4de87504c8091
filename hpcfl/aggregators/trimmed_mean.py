"""The mean of each coordinate without its extremes (Yin et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.schema import key


@dataclass(frozen=True)
class TrimmedMean:
    """Drops the `byzantine` largest and smallest values of each coordinate; weights are not used."""

    byzantine: int = key(1, "updates that may be anything (f)")

    stack: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.byzantine < 0:
            raise ValueError(f"byzantine = {self.byzantine}: 0 or more is needed")

    def needs(self) -> int:
        """Return how many updates it takes for the rule to hold."""
        return 2 * self.byzantine + 1

    def combine(self, v: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return one vector (P,) for the updates `v` (m, P) float64 of weights (m,)."""
        f = self.byzantine
        return np.asarray(np.sort(v, axis=0)[f : len(v) - f].mean(axis=0))
