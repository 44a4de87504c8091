"""The largest numbers only (Aji and Heafield 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.kernels import codes
from hpcfl.layout import Layout
from hpcfl.schema import key


@dataclass(frozen=True)
class TopK:
    """Places (4 bytes) and values of a `fraction` of the numbers, the largest in magnitude."""

    fraction: float = key(0.01, "share of the numbers that is sent")

    biased: ClassVar[bool] = True
    contracts: ClassVar[bool] = True
    additive: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction = {self.fraction}: a value above 0, at most 1, is needed")

    def encode(self, v: np.ndarray, keys: np.ndarray, layout: Layout) -> tuple[np.ndarray, ...]:
        """Return places (c, k) int32, ascending, and values (c, k) of `v` (c, P)."""
        clients, size = v.shape
        bits = np.ascontiguousarray(v).view(np.dtype(f"u{v.itemsize}"))
        index = np.empty((clients, max(round(self.fraction * size), 1)), np.int32)
        codes.largest(bits, bits.dtype.type(np.iinfo(bits.dtype).max >> 1), np.empty(size, bits.dtype), index)
        return index, np.take_along_axis(v, index, 1)

    def decode(self, buffers: tuple[np.ndarray, ...], out: np.ndarray, layout: Layout) -> None:
        """Write the vectors to `out` (c, P)."""
        out[:] = 0
        np.put_along_axis(out, buffers[0], buffers[1], 1)
