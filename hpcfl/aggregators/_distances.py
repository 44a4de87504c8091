"""Krum's score: how far an update is from its nearest neighbours."""

from __future__ import annotations

import numpy as np


def scores(v: np.ndarray, byzantine: int) -> np.ndarray:
    """Return each update's sum of squared distances to its ``m - byzantine - 2`` nearest others, (m,)."""
    square = np.stack([np.square(v - row).sum(axis=1) for row in v])
    nearest = np.sort(square, axis=1)[:, 1 : len(v) - byzantine - 1]  # the nearest is itself
    return np.asarray(nearest.sum(axis=1))
