"""Updates that say nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpcfl.attacks import Seen
from hpcfl.attacks._scaled import Scaled


@dataclass(frozen=True)
class Noise(Scaled):
    """Bad clients send Gaussian noise instead of their update."""

    def forge(self, v: np.ndarray, seen: Seen, keys: np.ndarray) -> np.ndarray:
        """Return what is sent instead of `v` (bad clients, P)."""
        spread = self.scale * np.sqrt(np.square(v, dtype=np.float64).mean(axis=1))
        draw = [np.random.Generator(np.random.Philox(key=int(k))).standard_normal(v.shape[1]) for k in keys]
        return spread[:, None] * np.array(draw).reshape(v.shape)
