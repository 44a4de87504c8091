"""The mean of each coordinate without its extremes (Yin et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpcfl.aggregators import Squares, average
from hpcfl.aggregators._byzantine import Byzantine


@dataclass(frozen=True)
class TrimmedMean(Byzantine):
    """Drops the `byzantine` largest and smallest values of each coordinate; weights are not used."""

    def needs(self) -> int:
        """Return how many updates it takes for the rule to hold."""
        return 2 * self.byzantine + 1

    def combine(self, v: np.ndarray, weights: np.ndarray, last: np.ndarray, squares: Squares) -> np.ndarray:
        """Return one vector (p,) for the updates `v` (m, p) float64 of weights (m,)."""
        kept = np.sort(v, axis=0)[self.byzantine : len(v) - self.byzantine]
        return average(kept, np.ones(len(kept)))
