"""Federated bagging: trees grow where the rows are; only trees and the edges of bins leave a rank."""

from __future__ import annotations

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.forest import binning, over_trees
from hpcfl.forest.plan import Plan
from hpcfl.forest.target import Target
from hpcfl.forest.trees import Trees, gather


def edges(x: binning.Rows, d: int, comm: Comm) -> np.ndarray:
    """Return common edges of bins, (d, 254), from the edges that each rank finds in its rows (collective)."""
    n = binning.length(x)
    chosen = binning.dense(x, np.linspace(0, n - 1, min(n, binning.SAMPLE)).astype(np.int64), d)
    own = np.array([binning.feature_edges(chosen[:, f]) for f in range(d)], chosen.dtype)
    every = comm.allgather(own, "bin edges").reshape(comm.size, d, -1)
    return np.array([binning.feature_edges(every[:, f].reshape(-1)) for f in range(d)], own.dtype)


def shares(rows: np.ndarray, trees: int) -> np.ndarray:
    """Return how many of `trees` trees each rank grows, by its rows (largest remainders)."""
    exact = trees * rows / max(rows.sum(), 1)
    out: np.ndarray = np.floor(exact).astype(np.int64)
    out[np.argsort(out - exact, kind="stable")[: trees - out.sum()]] += 1
    return out


def grow(codes: np.ndarray, target: Target, plan: Plan, trees: int, comm: Comm) -> Trees:
    """Return all trees, each grown on the rows of one rank (collective)."""
    rows = comm.allgather(np.array([len(codes)], np.int64), "rows")[:, 0]
    cuts = np.cumsum([0, *shares(rows, trees)])
    mine = np.arange(cuts[comm.rank], cuts[comm.rank + 1])
    with comm.together("growing trees"):
        own = over_trees.grow(codes, target, plan, mine)
    return gather(own, mine, comm)
