"""Times without memory, as in the experiments of FedBuff (Nguyen et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpcfl.schema import key, positive


@dataclass(frozen=True)
class Halfnormal:
    """A client takes the magnitude of a normal draw, whoever it is and whatever it does."""

    scale: float = key(1.0, "standard deviation of the normal draw, seconds")

    def __post_init__(self) -> None:
        positive(self, "scale")

    def seconds(self, steps: np.ndarray, pace: np.ndarray, luck: np.ndarray) -> np.ndarray:
        """Return how long each client takes, (m,) float64; see `lognormal`."""
        return self.scale * np.abs(luck)
