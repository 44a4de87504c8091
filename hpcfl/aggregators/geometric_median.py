"""The point of least summed distance (Pillutla et al. 2022, RFA)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.aggregators import Squares, average
from hpcfl.schema import key


@dataclass(frozen=True)
class GeometricMedian:
    """Smoothed Weiszfeld iterations to convergence; holds while the bad ones weigh less than half."""

    smoothing: float = key(1e-06, "least distance, relative to that of the farthest update")
    iterations: int = key(1000, "most iterations")

    stack: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.smoothing <= 0 or self.iterations < 1:
            raise ValueError(f"smoothing = {self.smoothing}, iterations = {self.iterations}: values above 0 are needed")

    def needs(self) -> int:
        """Return how many updates it takes for the rule to hold."""
        return 3

    def combine(self, v: np.ndarray, weights: np.ndarray, last: np.ndarray, squares: Squares) -> np.ndarray:
        """Return one vector (p,) for the updates `v` (m, p) float64 of weights (m,)."""
        center, scale = average(v, weights), 0.0
        for _ in range(self.iterations):
            distance = np.sqrt(squares(v - center))
            scale = scale or distance.max() or 1.0
            moved = average(v, weights / np.maximum(distance, self.smoothing * scale))
            way = np.sqrt(squares((moved - center)[None]))[0]
            center = moved
            if way <= 1e-10 * scale:
                break
        return center
