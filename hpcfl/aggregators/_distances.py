"""Krum's score: how far an update is from its nearest neighbours."""

from __future__ import annotations

import numpy as np

from hpcfl.aggregators import Squares


def between(v: np.ndarray, squares: Squares) -> np.ndarray:
    """Return the squared distances of all pairs of the updates `v` (m, p), (m, m) (collective)."""
    return np.stack([squares(v - row) for row in v])


def ranked(square: np.ndarray, byzantine: int) -> np.ndarray:
    """Return the updates by their sum of `square` (m, m) over the ``m - byzantine - 2`` nearest others, best first.

    Two that are each other's only neighbour tie; the one that lies nearer to all is the better.
    """
    near = np.sort(square, axis=1)[:, 1:]  # the nearest is itself
    score = near[:, : max(len(square) - byzantine - 2, 1)].sum(axis=1)
    return np.lexsort((near.sum(axis=1), score))
