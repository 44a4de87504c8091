"""Updates against the mean of the good ones (inner-product manipulation, Xie et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.attacks import Seen
from hpcfl.attacks._scaled import Scaled
from hpcfl.schema import key


@dataclass(frozen=True)
class InnerProduct(Scaled):
    """Bad clients all send ``-scale`` times the mean of what good ones send."""

    scale: float = key(1.0, "length of what they send, in lengths of that mean")

    sees: ClassVar[str] = "good"

    def forge(self, v: np.ndarray, seen: Seen, keys: np.ndarray) -> np.ndarray:
        """Return what is sent instead of `v` (bad clients, P)."""
        return np.broadcast_to(-self.scale * seen.mean, v.shape)
