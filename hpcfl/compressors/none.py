"""Nothing is made smaller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.layout import Layout


@dataclass(frozen=True)
class Plain:
    """Vectors travel as they are."""

    biased: ClassVar[bool] = False
    contracts: ClassVar[bool] = True
    additive: ClassVar[bool] = True

    def encode(self, v: np.ndarray, keys: np.ndarray, layout: Layout) -> tuple[np.ndarray, ...]:
        """Return `v` (c, P) itself."""
        return (v,)

    def decode(self, buffers: tuple[np.ndarray, ...], out: np.ndarray, layout: Layout) -> None:
        """Write the vectors to `out` (c, P)."""
        if buffers[0] is not out:
            out[:] = buffers[0]
