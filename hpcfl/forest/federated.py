"""Federated bagging: trees grow where the rows are, over bins of each rank's own; only trees leave a rank.

A tree says where it splits and the mean target of each leaf: `min_samples_leaf` is how many rows, as
drawn, that is a mean of at least.
"""

from __future__ import annotations

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.forest import over_trees
from hpcfl.forest.plan import Plan
from hpcfl.forest.target import Target
from hpcfl.forest.trees import Trees, gather
from hpcfl.kernels.forest_rule import MISSING

LAST = 254  # the bound under which all but missing values go left


def shares(rows: np.ndarray, trees: int) -> np.ndarray:
    """Return how many of `trees` trees each rank grows, by its rows (largest remainders)."""
    exact = trees * rows / max(rows.sum(), 1)
    out: np.ndarray = np.floor(exact).astype(np.int64)
    out[np.argsort(out - exact, kind="stable")[: trees - out.sum()]] += 1
    return out


def deal(rows: int, trees: int, comm: Comm) -> np.ndarray:
    """Return the first tree of each rank, and the number of trees last, from the ranks' rows (collective)."""
    every = comm.allgather(np.array([rows], np.int64), "rows")[:, 0]
    return np.cumsum([0, *shares(every, trees)])


def grow(
    codes: np.ndarray, edges: np.ndarray, target: Target, plan: Plan, runs: np.ndarray, comm: Comm
) -> tuple[Trees, np.ndarray]:
    """Return all trees, each grown on the rows of one rank, and each rank's edges, (ranks, d, 254) (collective).

    `edges` (d, 254) are of this rank's bins, `target` knows of its rows only. Of the edges only those
    leave that a tree splits at: a message holds thresholds and leaves, no more than the trees say. Bins
    in `codes` are numbered anew, by those edges.
    """
    mine = np.arange(runs[comm.rank], runs[comm.rank + 1])
    with comm.together("growing trees"):
        own = over_trees.grow(np.asfortranarray(codes), target, plan, mine)
        used = only_used(own, codes, edges, plan.kinds)
    trees = gather(own, comm)
    return trees, comm.allgather(used, "thresholds").reshape(comm.size, *edges.shape)


def only_used(trees: Trees, codes: np.ndarray, edges: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Return the edges that `trees` split at; bounds and bins are numbered anew by them, in place."""
    out = edges.copy()
    for f in np.flatnonzero(kinds == 0):
        at = np.flatnonzero(trees.node[:, 0] == f)
        rule = trees.node[at, 1]
        bound = rule & 255
        used = np.unique(bound[bound < LAST])
        out[f] = np.inf
        out[f, : used.size] = edges[f, used]
        new = np.where(bound < LAST, np.searchsorted(used, bound), LAST)
        trees.node[at, 1] = (rule & ~255) | new
        bins = np.searchsorted(used, np.arange(256)).astype(np.uint8)
        bins[MISSING] = MISSING
        codes[:, f] = bins[codes[:, f]]
    return out
