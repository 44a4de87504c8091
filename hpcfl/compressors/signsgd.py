"""Signs (Bernstein et al. 2018), with a scale for each array (Karimireddy et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.layout import Layout


@dataclass(frozen=True)
class SignSGD:
    """1 bit a number, and 4 bytes for the mean magnitude of each of the model's arrays."""

    biased: ClassVar[bool] = True
    contracts: ClassVar[bool] = True
    additive: ClassVar[bool] = False

    def encode(self, v: np.ndarray, keys: np.ndarray, layout: Layout) -> tuple[np.ndarray, ...]:
        """Return scales (c, arrays) float32 and packed signs (c, bytes) of `v` (c, P)."""
        scale = [np.abs(v[:, a:b]).mean(axis=1, dtype=np.float64) for a, b in layout.ranges().values()]
        return np.stack(scale, 1).astype(np.float32), np.packbits(v >= 0, axis=1)

    def decode(self, buffers: tuple[np.ndarray, ...], out: np.ndarray, layout: Layout) -> None:
        """Write the vectors to `out` (c, P)."""
        scale, signs = buffers
        positive = np.unpackbits(signs, axis=1, count=out.shape[1]).view(bool)
        lengths = [b - a for a, b in layout.ranges().values()]
        size = np.repeat(scale, lengths, axis=1)
        out[:] = np.where(positive, size, -size)
