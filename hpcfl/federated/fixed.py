"""Weighted sums in fixed point: the same integers in whatever order and on whatever rank they are added."""

from __future__ import annotations

from math import ceil, log2

import numpy as np

from hpcfl.kernels import fixed


def scale(total: float, bound: float) -> float:
    """Return 2^s, s = 62 - ceil(log2(total x bound)): no sum of weighted values within the bound overflows."""
    return 2.0 ** (62 - ceil(log2(max(total * bound, 1.0))))


def add(v: np.ndarray, weights: np.ndarray, factor: float, out: np.ndarray) -> None:
    """Add the weighted rows of `v` (c, P) times `factor` to `out` (P,) int64; weight 0 leaves one out."""
    fixed.add_fixed(np.ascontiguousarray(v), weights, factor, out)


def over(sums: np.ndarray, divisor: float) -> np.ndarray:
    """Return `sums` (P,) int64 over a number, float64."""
    out = np.empty(sums.size)
    fixed.over(sums, divisor, out)
    return out


def within(parts: list[np.ndarray], bound: float) -> np.ndarray:
    """Return which clients' values are all finite and within the bound, (c,) bool."""
    fine = np.ones(len(parts[0]), bool)
    for part in parts:
        fixed.within(np.ascontiguousarray(part), bound, fine)
    return fine
