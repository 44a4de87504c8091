"""Every client is as likely as any other, and none is drawn twice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Uniform:
    """Uniform sampling without replacement."""

    def draw(self, rows: np.ndarray, size: int, round_: int, rng: np.random.Generator) -> np.ndarray:
        """Return `size` places in `rows` (clients,), ascending.

        Parameters
        ----------
        rows : (clients,) int64
            Training rows of each client.
        size : int
        round_ : int
            Counted from 0.
        rng : Generator
            Of this round.
        """
        drawn = rng.choice(rows.size, min(size, rows.size), replace=False)
        drawn.sort()
        return drawn
