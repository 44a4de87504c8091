"""The one update that lies closest to its neighbours (Blanchard et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpcfl.aggregators import Squares, _distances
from hpcfl.aggregators._byzantine import Byzantine


@dataclass(frozen=True)
class Krum(Byzantine):
    """Needs m > 2 f + 2 updates, f of them bad; weights are not used."""

    def needs(self) -> int:
        """Return how many updates it takes for the rule to hold."""
        return 2 * self.byzantine + 3

    def combine(self, v: np.ndarray, weights: np.ndarray, last: np.ndarray, squares: Squares) -> np.ndarray:
        """Return one vector (p,) for the updates `v` (m, p) float64 of weights (m,)."""
        return np.asarray(v[_distances.ranked(_distances.between(v, squares), self.byzantine)[0]])
