"""Updates that point the other way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.attacks import Seen
from hpcfl.schema import key, positive


@dataclass(frozen=True)
class SignFlip:
    """Bad clients send ``-scale`` times their update."""

    clients: int = key(1, "bad clients, drawn by the seed")
    scale: float = key(5.0, "length of what they send, in lengths of their update")

    poisons: ClassVar[bool] = False
    sees: ClassVar[str] = ""

    def __post_init__(self) -> None:
        positive(self, "clients")
        positive(self, "scale")

    def forge(self, v: np.ndarray, seen: Seen, keys: np.ndarray) -> np.ndarray:
        """Return what is sent instead of `v` (bad clients, P)."""
        return -self.scale * v
