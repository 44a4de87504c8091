"""Which features matter: by impurity, and by permutation of the test rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hpcfl import seeding
from hpcfl.comm.communicator import Comm
from hpcfl.forest.trees import Trees


def impurity(trees: Trees, d: int) -> np.ndarray:
    """Return each feature's share of the gain of all splits, each tree counting alike, (d,) (Breiman 2001)."""
    total = np.zeros(d)
    for a, b in zip(trees.starts[:-1], trees.starts[1:], strict=True):
        inner = trees.node[a:b, 0] >= 0
        one = np.bincount(trees.node[a:b][inner, 0], trees.gain[a:b][inner], d)
        total += one / one.sum() if one.sum() > 0 else 0
    return total / total.sum() if total.sum() > 0 else total


def permutation(
    score: Callable[[np.ndarray], np.ndarray], codes: np.ndarray, repeats: int, seed: int, comm: Comm
) -> np.ndarray:
    """Return how much the mean score falls when a feature's values are permuted, (d,) (collective).

    Parameters
    ----------
    score : function from bins (n, d) to (n,)
        What each row scores (1 for a right class, minus the squared error).
    codes : (n, d) uint8
        Bins of this rank's test rows; values are permuted over the rows of all ranks.
    """
    first = comm.before(len(codes))
    plain, fall = score(codes), np.zeros(codes.shape[1])
    for f in range(codes.shape[1]):
        column = comm.allgatherv(codes[:, f], "permutation")
        for r in range(repeats):
            order = seeding.stream(seed, "permutation", f, r).permutation(column.size)
            changed = codes.copy()
            changed[:, f] = column[order[first : first + len(codes)]]
            fall[f] += (plain - score(changed)).sum()
    count = comm.sum(np.array([float(len(codes))]), "permutation")[0]
    return np.asarray(comm.sum(fall, "permutation") / max(count * repeats, 1))
