"""The test split: the rows of smallest keyed hash in each class, so that no rank matters."""

from __future__ import annotations

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.kernels import order


def row_hashes(key: np.uint64, start: int, stop: int) -> np.ndarray:
    """Return the keyed hash of table rows [start, stop), uint64."""
    out = np.empty(stop - start, np.uint64)
    order.hashes(key, start, out)
    return out


def thresholds(hashes: np.ndarray, label: np.ndarray, classes: int, fraction: float, comm: Comm) -> np.ndarray:
    """Find the largest hash that is still in the test set, for each class (collective).

    Parameters
    ----------
    hashes : (n_local,) uint64
        Of the rows that may be drawn.
    label : (n_local,) int64
        Their class in 0..classes-1 (all 0 without classes).
    fraction : float
        Of each class, rounded to the nearest row, and at least one row left to train on.

    Returns
    -------
    (classes,) uint64
        A row is in the test set if its hash is below its class's value. Found by bisection on
        the counts of all ranks, so nothing but counts leaves a rank.
    """
    lists = [np.sort(hashes[label == c]) for c in range(classes)]
    count = comm.sum(np.array([v.size for v in lists], np.int64), "split")
    wanted = np.minimum(np.rint(count * fraction).astype(np.int64), np.maximum(count - 1, 0))
    low = np.zeros(classes, np.uint64)
    for bit in range(63, -1, -1):
        # The largest threshold with at most `wanted` hashes below it, one bit at a time.
        trial = low | np.uint64(1 << bit)
        below = [np.searchsorted(v, t, "left") for v, t in zip(lists, trial, strict=True)]
        total = comm.sum(np.array(below, np.int64), "split")
        low = np.where(total <= wanted, trial, low)
    return low
