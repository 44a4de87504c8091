"""Krum's choice, then the middle of each coordinate (El Mhamdi et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpcfl.aggregators import Squares, _distances, average
from hpcfl.aggregators._byzantine import Byzantine


@dataclass(frozen=True)
class Bulyan(Byzantine):
    """Needs m > 4 f + 2 updates, f of them bad; weights are not used.

    Krum chooses m - 2 f updates one by one; of each coordinate the m - 4 f values nearest to
    the median of the chosen ones are averaged.
    """

    def needs(self) -> int:
        """Return how many updates it takes for the rule to hold."""
        return 4 * self.byzantine + 3

    def combine(self, v: np.ndarray, weights: np.ndarray, last: np.ndarray, squares: Squares) -> np.ndarray:
        """Return one vector (p,) for the updates `v` (m, p) float64 of weights (m,)."""
        chosen = v[self._chosen(_distances.between(v, squares))]
        gap = np.abs(chosen - np.median(chosen, axis=0))
        near = np.sort(np.argsort(gap, axis=0, kind="stable")[: len(v) - 4 * self.byzantine], axis=0)
        kept = np.take_along_axis(chosen, near, 0)
        return average(kept, np.ones(len(kept)))

    def _chosen(self, square: np.ndarray) -> np.ndarray:
        """Return the updates that Krum takes, one after the other, from what is left of (m, m) distances."""
        left, taken = np.arange(len(square)), []
        for _ in range(len(square) - 2 * self.byzantine):
            best = _distances.ranked(square[np.ix_(left, left)], self.byzantine)[0]
            taken.append(left[best])
            left = np.delete(left, best)
        return np.sort(taken)
