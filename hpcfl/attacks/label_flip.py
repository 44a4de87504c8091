"""Training on wrong targets (Tolpegin et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.schema import key, positive


@dataclass(frozen=True)
class LabelFlip:
    """Bad clients hold the last class where the first one is, and so on; in regression, the negative target."""

    clients: int = key(1, "bad clients, drawn by the seed")

    poisons: ClassVar[bool] = True
    sees: ClassVar[str] = ""

    def __post_init__(self) -> None:
        positive(self, "clients")

    def targets(self, y: np.ndarray, classes: int) -> np.ndarray:
        """Return what stands for the targets `y` (n,); `classes` is 0 in regression."""
        return (classes - 1 if classes else 0) - y
