"""Every client tosses its own coin: what differential privacy's amplification assumes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Poisson:
    """Each client joins with the same probability, independently; a round may have nobody."""

    def draw(self, rows: np.ndarray, size: int, round_: int, rng: np.random.Generator) -> np.ndarray:
        """Return about `size` places in `rows` (clients,), ascending; see `uniform`."""
        return np.flatnonzero(rng.random(rows.size) < size / rows.size)
