"""Sums without rounding: integers by binary exponent, so that no order of adding can matter."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hpcfl.comm.communicator import Comm

CHUNK = 1 << 20  # values a bincount: 27-bit integers then add up exactly in float64
INFINITE = 9999  # exponent under which NaN and infinity are counted; it makes their sum infinite
SPLITTER = 134217729.0  # 2^27 + 1


class ExactSum:
    """Exact sums of float64 values, one for each of `cells` cells.

    Each value is mantissa * 2^exponent; the mantissa is cut into two integers of at most 27 bits,
    which are added up as int64 under their exponent (a small superaccumulator, after Neal 2015,
    "Fast exact summation using small and large superaccumulators"). So the result depends on
    the values alone, not on their order, blocks or ranks. Holds 2^36 values; memory is 16 bytes
    for each cell and each exponent that occurs.
    """

    def __init__(self, cells: int = 1) -> None:
        self.cells = cells
        self.bins: dict[int, np.ndarray] = {}

    def add(self, values: np.ndarray, cell: np.ndarray | int = 0) -> None:
        """Add `values` (n,) to their cells: (n,) integers, or one for all."""
        values, cell = np.asarray(values, np.float64), np.broadcast_to(cell, values.shape)
        for a in range(0, values.size, CHUNK):
            self._add(values[a : a + CHUNK], cell[a : a + CHUNK])

    def totals(self, comm: Comm) -> np.ndarray:
        """Return the sums over all ranks, float64 (cells,), rounded at the end (collective)."""
        out = np.zeros(self.cells)
        for exponent, (high, low) in self._merged(comm).items():
            with np.errstate(over="ignore"):
                out += np.ldexp(high.astype(np.float64), exponent - 27)
                out += np.ldexp(low.astype(np.float64), exponent - 53)
        return out

    def fractions(self, comm: Comm) -> list[Fraction]:
        """Return the sums over all ranks, not rounded at all (collective)."""
        out = [Fraction(0)] * self.cells
        for exponent, (high, low) in self._merged(comm).items():
            scale = Fraction(2) ** (exponent - 53)
            for i in range(self.cells):
                out[i] += ((int(high[i]) << 26) + int(low[i])) * scale
        return out

    def _add(self, values: np.ndarray, cell: np.ndarray) -> None:
        finite = np.isfinite(values)
        mantissa, exponent = np.frexp(np.where(finite, values, 0.5))
        exponents, index = np.unique(np.where(finite, exponent, INFINITE), return_inverse=True)
        index = index * self.cells + cell
        high = np.floor(np.ldexp(mantissa, 27))
        low = np.ldexp(np.ldexp(mantissa, 27) - high, 26)
        size = len(exponents) * self.cells
        both = [np.bincount(index, part, size).reshape(-1, self.cells) for part in (high, low)]
        for e, *parts in zip(exponents.tolist(), *both, strict=True):
            bins = self.bins.setdefault(e, np.zeros((2, self.cells), np.int64))
            bins += np.stack(parts).astype(np.int64)

    def _merged(self, comm: Comm) -> dict[int, np.ndarray]:
        mine = np.array(sorted(self.bins), np.int64)
        exponents = np.unique(comm.allgatherv(mine, "metrics"))
        whole = np.zeros((len(exponents), 2, self.cells), np.int64)
        whole[np.searchsorted(exponents, mine)] = [self.bins[e] for e in mine] or whole[:0]
        return dict(zip(exponents.tolist(), comm.sum(whole, "metrics"), strict=True))


def product(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (p, e) with a * b = p + e exactly (Dekker 1971, "A floating-point technique")."""
    p = a * b
    a_high, b_high = (SPLITTER * v - (SPLITTER * v - v) for v in (a, b))
    a_low, b_low = a - a_high, b - b_high
    return p, ((a_high * b_high - p) + a_high * b_low + a_low * b_high) + a_low * b_low
