"""The median of each coordinate (Yin et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.aggregators import Squares


@dataclass(frozen=True)
class Median:
    """Holds while fewer than half of the updates are bad; weights are not used."""

    stack: ClassVar[bool] = True

    def needs(self) -> int:
        """Return how many updates it takes for the rule to hold."""
        return 3

    def combine(self, v: np.ndarray, weights: np.ndarray, last: np.ndarray, squares: Squares) -> np.ndarray:
        """Return one vector (p,) for the updates `v` (m, p) float64 of weights (m,)."""
        return np.asarray(np.median(v, axis=0))
