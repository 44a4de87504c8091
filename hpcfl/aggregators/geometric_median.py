"""The point of least summed distance (Pillutla et al. 2022, RFA)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.schema import key


@dataclass(frozen=True)
class GeometricMedian:
    """Smoothed Weiszfeld iterations to convergence; holds while the bad ones weigh less than half."""

    smoothing: float = key(1e-06, "least distance, relative to the largest value")
    iterations: int = key(1000, "most iterations")

    stack: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.smoothing <= 0 or self.iterations < 1:
            raise ValueError(f"smoothing = {self.smoothing}, iterations = {self.iterations}: values above 0 are needed")

    def needs(self) -> int:
        """Return how many updates it takes for the rule to hold."""
        return 1

    def combine(self, v: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return one vector (P,) for the updates `v` (m, P) float64 of weights (m,)."""
        center = weights @ v / weights.sum()
        scale = np.abs(v).max() or 1.0
        for _ in range(self.iterations):
            distance = np.sqrt(np.square(v - center).sum(axis=1))
            share = weights / np.maximum(distance, self.smoothing * scale)
            moved = share @ v / share.sum()
            if np.abs(moved - center).max() <= 1e-10 * scale:
                return np.asarray(moved)
            center = moved
        return np.asarray(center)
