"""Which features matter: by impurity, and by permutation of the test rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hpcfl import seeding
from hpcfl.comm.communicator import Comm
from hpcfl.forest.trees import Trees
from hpcfl.metrics.exact import ExactSum


def impurity(trees: Trees, d: int) -> np.ndarray:
    """Return each feature's share of the gain of all splits, each tree counting alike, (d,) (Breiman 2001)."""
    total = np.zeros(d)
    for a, b in zip(trees.starts[:-1], trees.starts[1:], strict=True):
        inner = trees.node[a:b, 0] >= 0
        one = np.bincount(trees.node[a:b][inner, 0], trees.gain[a:b][inner], d)
        total += one / one.sum() if one.sum() > 0 else 0
    return total / total.sum() if total.sum() > 0 else total


def permutation(
    score: Callable[[list[np.ndarray]], np.ndarray],
    codes: list[np.ndarray],
    repeats: int,
    seed: int,
    local: bool,
    comm: Comm,
) -> np.ndarray:
    """Return how much the mean score falls when a feature's values are permuted, (d,) (collective).

    Parameters
    ----------
    score : function from `codes` to (n,)
        What each row scores (1 for a right class, minus the squared error).
    codes : list of (n, d) uint8
        Bins of this rank's test rows, by each table of edges.
    local : bool
        Whether values are permuted over the rows of each rank alone, so that none leaves it.
    """
    n, d = codes[0].shape
    first = 0 if local else comm.before(n)
    plain, fall = score(codes), ExactSum(d)
    for f in range(d):
        columns = [table[:, f].copy() if local else comm.allgatherv(table[:, f], "permutation") for table in codes]
        for r in range(repeats):
            order = seeding.stream(seed, "permutation", f, r).permutation(columns[0].size)[first : first + n]
            for table, column in zip(codes, columns, strict=True):
                table[:, f] = column[order]
            fall.add(plain - score(codes), f)
        for table, column in zip(codes, columns, strict=True):
            table[:, f] = column[first : first + n]
    count = comm.sum(np.array([n], np.int64), "permutation")[0]
    return np.asarray(fall.totals(comm) / max(count * repeats, 1))
