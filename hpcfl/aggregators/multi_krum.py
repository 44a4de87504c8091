"""The mean of the updates that lie closest to their neighbours (Blanchard et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpcfl.aggregators import Squares, _distances, average
from hpcfl.aggregators.krum import Krum


@dataclass(frozen=True)
class MultiKrum(Krum):
    """Averages the m - f updates of best Krum score; needs m > 2 f + 2; weights are not used."""

    def combine(self, v: np.ndarray, weights: np.ndarray, last: np.ndarray, squares: Squares) -> np.ndarray:
        """Return one vector (p,) for the updates `v` (m, p) float64 of weights (m,)."""
        best = _distances.ranked(_distances.between(v, squares), self.byzantine)
        kept = np.sort(best[: len(v) - self.byzantine])
        return average(v[kept], np.ones(kept.size))
