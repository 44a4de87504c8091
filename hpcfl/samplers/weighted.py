"""Clients are drawn in proportion to their rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Weighted:
    """Sampling without replacement, one after the other, in proportion to rows."""

    def draw(self, rows: np.ndarray, size: int, round_: int, rng: np.random.Generator) -> np.ndarray:
        """Return `size` places in `rows` (clients,), ascending; see `uniform`."""
        return np.sort(rng.choice(rows.size, min(size, rows.size), replace=False, p=rows / rows.sum()))
