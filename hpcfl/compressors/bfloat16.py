"""The upper half of a float32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpcfl.compressors._half import Half
from hpcfl.kernels import codes
from hpcfl.layout import Layout


@dataclass(frozen=True)
class BFloat16(Half):
    """2 bytes a number, 8 bits of precision, the range of float32."""

    def encode(self, v: np.ndarray, keys: np.ndarray, layout: Layout) -> tuple[np.ndarray, ...]:
        """Return the numbers of `v` (c, P) as uint16 (c, P)."""
        out = np.empty(v.shape, np.uint16)
        codes.bfloat16(np.ascontiguousarray(v, np.float32).view(np.uint32), out)
        return (out,)

    def decode(self, buffers: tuple[np.ndarray, ...], out: np.ndarray, layout: Layout) -> None:
        """Write the vectors to `out` (c, P)."""
        out[:] = (buffers[0].astype(np.uint32) << 16).view(np.float32)
