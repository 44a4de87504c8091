"""IEEE half precision, scaled so that nothing overflows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpcfl.compressors._half import Half
from hpcfl.layout import Layout

TOP = 15  # the largest half is just below 2^16


@dataclass(frozen=True)
class Float16(Half):
    """2 bytes a number, 11 bits of precision; a message's largest number is scaled to about 2^15."""

    def encode(self, v: np.ndarray, keys: np.ndarray, layout: Layout) -> tuple[np.ndarray, ...]:
        """Return exponents (c, 1) int16 and scaled halves (c, P) of `v` (c, P)."""
        top = np.abs(v).max(axis=1, keepdims=True, initial=0.0)
        shift = TOP - np.frexp(top.astype(np.float64))[1]
        return shift.astype(np.int16), np.ldexp(v.astype(np.float64), shift).astype(np.float16)

    def decode(self, buffers: tuple[np.ndarray, ...], out: np.ndarray, layout: Layout) -> None:
        """Write the vectors to `out` (c, P)."""
        shift, half = buffers
        out[:] = np.ldexp(half.astype(np.float64), -shift.astype(np.int32))
