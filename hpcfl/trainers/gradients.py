"""The gradient of a batch, summed over ranks: as it comes, or in the fixed tree."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.comm.summer import summer
from hpcfl.comm.tree import TreeSum
from hpcfl.data.shard import Shards
from hpcfl.trainers.objective import Objective

TALLY = 4  # words behind the gradient: weight of the rows, loss, ranks in error, stop votes
WEIGHT, LOSS, ERROR, STOP = range(TALLY)


class Sums(Protocol):
    """Sums over a batch.

    Attributes
    ----------
    total : (P + TALLY,) array
        Gradient and tally of the last batch, to be read until the next `add`.
    error : Exception or None
        What failed on this rank.
    """

    total: np.ndarray
    error: Exception | None

    def add(self, w: np.ndarray, rows: np.ndarray, stop: bool = False) -> None:
        """Sum gradient and tally of this rank's `rows` and all other ranks' (collective)."""


class Local:
    """Loss and gradient of rows of this rank, written into a vector with its tally."""

    def __init__(self, objective: Objective, shards: Shards, most: int) -> None:
        self.kernel = objective.rule.loss_grad(objective.sparse)
        self.x, self.y = shards.train.x, shards.train.y
        self.affine, self.spec, self.work = objective.affine, objective.spec, objective.scratch(most)
        self.size = objective.layout.size
        self.weighted = bool((self.y[:, 1] != 1).any())

    def write(self, w: np.ndarray, rows: np.ndarray, vector: np.ndarray) -> None:
        """Write gradient, weight and loss of `rows` into `vector` (P + TALLY,)."""
        loss = self.kernel(w, self.x, self.y, rows, self.affine, self.spec, self.work, vector[: self.size])
        tally = vector[self.size :]
        tally[WEIGHT] = self.y[rows, 1].sum() if self.weighted else rows.size
        tally[LOSS] = loss
        tally[ERROR:] = 0


def safely(local: Local, w: np.ndarray, rows: np.ndarray, vector: np.ndarray) -> Exception | None:
    """Run `local.write`; after an error the vector holds zeros and the error word."""
    try:
        local.write(w, rows, vector)
    except Exception as error:
        vector[:] = 0
        vector[local.size + ERROR] = 1
        return error
    return None


class PlainSums:
    """One kernel call and one sum a step."""

    def __init__(self, local: Local, comm: Comm) -> None:
        self.local, self.sum = local, summer(comm, local.size + TALLY, local.work.dtype)
        self.total = self.sum.total
        self.error: Exception | None = None

    def add(self, w: np.ndarray, rows: np.ndarray, stop: bool = False) -> None:
        """See `Sums.add`."""
        self.error = safely(self.local, w, rows, self.sum.mine)
        self.sum.mine[self.local.size + STOP] = stop
        self.sum.finish()


class TreeSums:
    """One kernel call a group; group vectors are added in the fixed tree."""

    def __init__(self, local: Local, runs: np.ndarray, bounds: np.ndarray, comm: Comm) -> None:
        self.local, self.total = local, np.zeros(local.size + TALLY, local.work.dtype)
        self.tree = TreeSum(comm, int(runs[-1]), runs, self.total)
        self.bounds = bounds  # of the rank's groups, in its strata
        self.error: Exception | None = None

    def add(self, w: np.ndarray, rows: np.ndarray, stop: bool = False) -> None:
        """See `Sums.add`."""
        self.error = None
        for a, b in zip(self.bounds[:-1], self.bounds[1:], strict=True):
            buffer = self.tree.buffer()
            error = safely(self.local, w, rows[a:b], buffer)
            buffer[self.local.size + STOP] = stop
            self.error = self.error or error
            self.tree.push()
        self.tree.finish(self.total)


def sums(objective: Objective, shards: Shards, comm: Comm) -> Any:
    """Return what sums gradients over ranks at each step, as the plan asks (collective)."""
    plan = shards.plan
    first, end = plan.owned(plan.strata, comm.rank)
    if not plan.groups:
        return PlainSums(Local(objective, shards, end - first), comm)
    runs = np.searchsorted(plan.segments, plan.cuts)
    groups = np.searchsorted(plan.strata, plan.segments[runs[comm.rank] : runs[comm.rank + 1] + 1])
    most = int(np.diff(groups).max())
    return TreeSums(Local(objective, shards, most), runs, groups - first, comm)
