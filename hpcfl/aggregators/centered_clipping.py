"""Clipped steps from the last aggregate (Karimireddy, He and Jaggi 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.aggregators import Squares, average
from hpcfl.schema import key, positive


@dataclass(frozen=True)
class CenteredClipping:
    """Moves from the last round's result towards each update, by `radius` at most.

    Holds while the bad ones weigh less than half, and the radius is about how far good ones
    are apart.
    """

    radius: float = key(1.0, "longest step towards an update")
    iterations: int = key(1, "steps a round")

    stack: ClassVar[bool] = True

    def __post_init__(self) -> None:
        positive(self, "radius")
        positive(self, "iterations")

    def needs(self) -> int:
        """Return how many updates it takes for the rule to hold."""
        return 3

    def combine(self, v: np.ndarray, weights: np.ndarray, last: np.ndarray, squares: Squares) -> np.ndarray:
        """Return one vector (p,) for the updates `v` (m, p) float64 of weights (m,); `last` is the one before."""
        center = last
        for _ in range(self.iterations):
            gap = v - center
            length = np.sqrt(squares(gap))
            center = center + average(gap * np.minimum(1, self.radius / np.maximum(length, 1e-300))[:, None], weights)
        return center
