"""Few levels between zero and a norm, rounded by chance (Alistarh et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from hpcfl.kernels import codes
from hpcfl.layout import Layout
from hpcfl.schema import key, positive


@dataclass(frozen=True)
class QSGD:
    """`bits` a number, and 4 bytes for the norm of every `bucket` of numbers."""

    bits: Literal[2, 4, 8] = key(4, "bits a number, its sign among them")
    bucket: int = key(512, "numbers that share a norm")

    biased: ClassVar[bool] = False
    contracts: ClassVar[bool] = False
    additive: ClassVar[bool] = False

    def __post_init__(self) -> None:
        positive(self, "bucket")

    @property
    def levels(self) -> int:
        """Levels above zero."""
        return (1 << (self.bits - 1)) - 1

    def encode(self, v: np.ndarray, keys: np.ndarray, layout: Layout) -> tuple[np.ndarray, ...]:
        """Return norms (c, buckets) float32 and packed levels (c, bytes) of `v` (c, P)."""
        clients, size = v.shape
        norms = np.empty((clients, -(-size // self.bucket)), np.float32)
        wide = np.empty(v.shape, np.uint8)
        packed = np.empty((clients, -(-size * self.bits // 8)), np.uint8)
        codes.quantize(np.ascontiguousarray(v), keys, self.bucket, self.levels, norms, wide)
        codes.pack(wide, self.bits, packed)
        return norms, packed

    def decode(self, buffers: tuple[np.ndarray, ...], out: np.ndarray, layout: Layout) -> None:
        """Write the vectors to `out` (c, P)."""
        norms, packed = buffers
        wide = np.empty(out.shape, np.uint8)
        codes.unpack(packed, self.bits, wide)
        unit = np.repeat(norms.astype(np.float64) / self.levels, self.bucket, 1)[:, : out.shape[1]]
        out[:] = (wide.astype(np.float64) - self.levels) * unit
