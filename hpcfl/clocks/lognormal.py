"""Each client has a pace of its own, and good and bad days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpcfl.schema import key


@dataclass(frozen=True)
class Lognormal:
    """A step takes ``exp(between x client's draw + within x round's draw)`` seconds, both draws standard normal."""

    between: float = key(0.5, "spread of the clients' paces: standard deviation of the log")
    within: float = key(0.1, "spread of a client's pace from round to round")

    def __post_init__(self) -> None:
        if self.between < 0 or self.within < 0:
            raise ValueError(f"between = {self.between}, within = {self.within}: 0 or more is needed")

    def seconds(self, steps: np.ndarray, pace: np.ndarray, luck: np.ndarray) -> np.ndarray:
        """Return how long each client takes, (m,) float64.

        Parameters
        ----------
        steps : (m,) int64
            Local steps of each client.
        pace, luck : (m,) float64
            Standard normal draws: of the client for ever, of the client in this round.
        """
        return np.asarray(steps * np.exp(self.between * pace + self.within * luck))
