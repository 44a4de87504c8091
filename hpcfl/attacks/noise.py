"""Updates that say nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.attacks import Seen
from hpcfl.schema import key, positive


@dataclass(frozen=True)
class Noise:
    """Bad clients send Gaussian noise instead of their update."""

    clients: int = key(1, "bad clients, drawn by the seed")
    scale: float = key(5.0, "length of what they send, in lengths of their update")

    poisons: ClassVar[bool] = False
    sees: ClassVar[str] = ""

    def __post_init__(self) -> None:
        positive(self, "clients")
        positive(self, "scale")

    def forge(self, v: np.ndarray, seen: Seen, keys: np.ndarray) -> np.ndarray:
        """Return what is sent instead of `v` (bad clients, P)."""
        spread = self.scale * np.sqrt(np.square(v, dtype=np.float64).mean(axis=1))
        draw = [np.random.Generator(np.random.Philox(key=int(k))).standard_normal(v.shape[1]) for k in keys]
        return spread[:, None] * np.array(draw).reshape(v.shape)
