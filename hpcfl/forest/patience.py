"""Early stopping: boosting ends when rounds no longer lower the loss on rows that were held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Patience:
    """The validation losses so far, and what follows from them.

    Attributes
    ----------
    rounds : int
        Rounds without a lower loss after which to stop; 0 is never.
    losses : (k,) float64
        After each round.
    """

    rounds: int
    losses: np.ndarray

    def add(self, loss: float) -> None:
        """Take in the loss after another round."""
        self.losses = np.append(self.losses, loss)

    @property
    def best(self) -> int:
        """The number of rounds with the lowest loss; of equal ones the fewest."""
        return int(self.losses.argmin()) + 1 if self.losses.size else 0

    @property
    def over(self) -> bool:
        """Whether it is time to stop."""
        return self.rounds > 0 and self.losses.size - self.best >= self.rounds
