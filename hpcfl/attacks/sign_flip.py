"""Updates that point the other way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpcfl.attacks import Seen
from hpcfl.attacks._scaled import Scaled


@dataclass(frozen=True)
class SignFlip(Scaled):
    """Bad clients send ``-scale`` times their update."""

    def forge(self, v: np.ndarray, seen: Seen, keys: np.ndarray) -> np.ndarray:
        """Return what is sent instead of `v` (bad clients, P)."""
        return -self.scale * v
