"""Updates against the mean of the good ones (inner-product manipulation, Xie et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.attacks import Seen
from hpcfl.schema import key, positive


@dataclass(frozen=True)
class InnerProduct:
    """Bad clients all send ``-scale`` times the mean of what good ones send."""

    clients: int = key(1, "bad clients, drawn by the seed")
    scale: float = key(1.0, "length of what they send, in lengths of that mean")

    poisons: ClassVar[bool] = False
    sees: ClassVar[str] = "good"

    def __post_init__(self) -> None:
        positive(self, "clients")
        positive(self, "scale")

    def forge(self, v: np.ndarray, seen: Seen, keys: np.ndarray) -> np.ndarray:
        """Return what is sent instead of `v` (bad clients, P)."""
        return np.broadcast_to(-self.scale * seen.mean, v.shape)
