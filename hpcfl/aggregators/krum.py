"""The one update that lies closest to its neighbours (Blanchard et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.aggregators import Squares, _distances
from hpcfl.schema import key


@dataclass(frozen=True)
class Krum:
    """Needs m > 2 f + 2 updates, f of them bad; weights are not used."""

    byzantine: int = key(1, "updates that may be anything (f)")

    stack: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.byzantine < 0:
            raise ValueError(f"byzantine = {self.byzantine}: 0 or more is needed")

    def needs(self) -> int:
        """Return how many updates it takes for the rule to hold."""
        return 2 * self.byzantine + 3

    def combine(self, v: np.ndarray, weights: np.ndarray, last: np.ndarray, squares: Squares) -> np.ndarray:
        """Return one vector (p,) for the updates `v` (m, p) float64 of weights (m,)."""
        return np.asarray(v[_distances.ranked(_distances.between(v, squares), self.byzantine)[0]])
