"""Aggregators: many client updates -> one.

All but the mean work on slices: each rank holds some coordinates of all updates, `v` (m, p), and
combines those, so that no rank holds all updates. A rule that needs lengths asks ``squares(x)``,
which sums the squares of each row of `x` (m, p) over the coordinates of all ranks, in an order that
no number of ranks changes; all ranks must ask alike (it is collective).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Squares = Callable[[np.ndarray], np.ndarray]


def average(v: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean of the rows of `v` (m, p), added row by row: BLAS's bits would depend on p."""
    total = np.zeros(v.shape[1])
    for row, weight in zip(v, weights, strict=True):
        total += weight * row
    return np.asarray(total / weights.sum())
