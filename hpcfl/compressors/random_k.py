"""Numbers at random places, scaled so that the mean is right (Wangni et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.kernels import codes
from hpcfl.layout import Layout
from hpcfl.schema import key


@dataclass(frozen=True)
class RandomK:
    """The values of a `fraction` of the numbers and the key (8 bytes) that their places are drawn by."""

    fraction: float = key(0.1, "share of the numbers that is sent")

    biased: ClassVar[bool] = False
    contracts: ClassVar[bool] = False
    additive: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction = {self.fraction}: a value above 0, at most 1, is needed")

    def encode(self, v: np.ndarray, keys: np.ndarray, layout: Layout) -> tuple[np.ndarray, ...]:
        """Return `keys` (c, 1) and scaled values (c, k) of `v` (c, P)."""
        size = v.shape[1]
        count = max(round(self.fraction * size), 1)
        return keys[:, None].copy(), np.take_along_axis(v, _places(keys, size, count), 1) * v.dtype.type(size / count)

    def decode(self, buffers: tuple[np.ndarray, ...], out: np.ndarray, layout: Layout) -> None:
        """Write the vectors to `out` (c, P)."""
        keys, values = buffers
        out[:] = 0
        np.put_along_axis(out, _places(keys[:, 0].copy(), out.shape[1], values.shape[1]), values, 1)


def _places(keys: np.ndarray, size: int, count: int) -> np.ndarray:
    index = np.empty((keys.size, count), np.int32)
    codes.pick(keys, np.empty(size, np.int32), index)
    return index
