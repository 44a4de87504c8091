"""The gradient of a batch, summed over ranks: as it comes, or in the fixed tree."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from hpcfl.comm import summer as summing
from hpcfl.comm.communicator import Comm
from hpcfl.comm.slices import Slices
from hpcfl.comm.tree import TreeSum
from hpcfl.data.batch import Batch
from hpcfl.data.shard import Shards
from hpcfl.kernels.network import CHUNK
from hpcfl.trainers.objective import Objective

TALLY = 4  # words behind the gradient: weight of the rows, loss, ranks in error, stop votes
WEIGHT, LOSS, ERROR, STOP = range(TALLY)


class Sums:
    """Sums over a batch.

    Attributes
    ----------
    local : Local
    slices : Slices or None
        How the gradient is cut among ranks, if this one has but a slice of it.
    total : (P + TALLY,) array
        Gradient and tally of the last batch, to be read until the next `add`; of `SparseSums` the tally alone.
    error : Exception or None
        What failed on this rank.
    """

    local: Local
    slices: Slices | None = None
    total: np.ndarray
    error: Exception | None

    def add(self, w: np.ndarray, batch: Batch, stop: bool = False) -> None:
        """Sum gradient and tally of this rank's rows of a batch and all other ranks' (collective)."""
        raise NotImplementedError

    def warm(self, w: np.ndarray, vector: np.ndarray) -> None:
        """Compile every kernel of `add`, whatever the ranks, on one row, writing into `vector` (P + TALLY,) (local)."""
        self.local.write(w, np.zeros(1, np.int32), vector)

    def own(self) -> dict[str, np.ndarray]:
        """Return what the next sums depend on and this rank alone has: a checkpoint's `own`."""
        return {}

    def restore(self, t: int, own: Mapping[str, list[np.ndarray]]) -> None:
        """Go on after `t` steps from what `own` gave on the ranks of another run."""


class Local:
    """Loss and gradient of rows of this rank, written into a vector with its tally."""

    def __init__(self, objective: Objective, shards: Shards, most: int) -> None:
        self.kernel = objective.rule.loss_grad(objective.sparse)
        self.tree: Any = getattr(objective.rule, "tree_grad", lambda sparse: None)(objective.sparse)
        self.x, self.y = shards.train.x, shards.train.y
        self.affine, self.spec, self.work = objective.affine, objective.spec, objective.scratch(most)
        self.size = objective.layout.size
        self.weighted = bool((self.y[:, 1] != 1).any())

    def write(self, w: np.ndarray, rows: np.ndarray, vector: np.ndarray, bounds: np.ndarray | None = None) -> None:
        """Write gradient, weight and loss of `rows` into `vector` (P + TALLY,).

        With `bounds` (groups + 1,), places in `rows`, groups are added in a binary tree.
        """
        grad, tally = vector[: self.size], vector[self.size :]
        given = self.affine, self.spec, self.work
        # One group too, where it fits: for few rows `kernel` may take a way of its own, to other bits.
        if bounds is not None and self.tree and 0 < rows.size <= CHUNK:
            losses = np.empty(bounds.size - 1, vector.dtype)
            self.tree(w, self.x, self.y, rows, bounds, *given, losses, grad)
            weights = [self.weight(rows[a:b]) for a, b in pairwise(bounds)]
            loss, weight = fold(losses), fold(np.array(weights, vector.dtype))
        else:
            loss, weight = self.kernel(w, self.x, self.y, rows, *given, grad), self.weight(rows)
        tally[WEIGHT], tally[LOSS], tally[ERROR], tally[STOP] = weight, loss, 0, 0

    def weight(self, rows: np.ndarray) -> float:
        """Return the weight of `rows`."""
        return float(self.y[rows, 1].sum()) if self.weighted else float(rows.size)


def fold(values: np.ndarray) -> float:
    """Return the sum of a power of two of values, added in a binary tree in their own dtype."""
    while values.size > 1:
        values = values[0::2] + values[1::2]
    return float(values[0])


def safely(
    local: Local, w: np.ndarray, batch: Batch, rows: slice, vector: np.ndarray, bounds: np.ndarray | None = None
) -> Exception | None:
    """Run `local.write` on some rows of a batch; after an error the vector holds zeros and the error word."""
    try:
        if batch.error:
            raise batch.error
        local.write(w, batch.rows[rows], vector, bounds)
    except Exception as error:
        vector[:] = 0
        vector[local.size + ERROR] = 1
        return error
    return None


class PlainSums(Sums):
    """One kernel call and one sum a step.

    Parameters
    ----------
    local : Local
    comm : Comm
    sliced : bool
        Whether this rank needs no more of the gradient than the slice that it will move.
    """

    def __init__(self, local: Local, comm: Comm, sliced: bool = False) -> None:
        tail = TALLY if sliced else 0
        self.local, self.sum = local, summing.summer(comm, local.size + TALLY, local.work.dtype, tail=tail)
        self.slices = self.sum.slices if isinstance(self.sum, summing.SliceSum) else None
        self.total = self.sum.total
        self.error: Exception | None = None

    def warm(self, w: np.ndarray, vector: np.ndarray) -> None:
        """See `Sums.warm`."""
        super().warm(w, vector)
        summing.warm(vector.dtype)

    def add(self, w: np.ndarray, batch: Batch, stop: bool = False) -> None:
        """See `Sums.add`."""
        self.error = safely(self.local, w, batch, slice(None), self.sum.mine)
        if stop:
            self.sum.mine[self.local.size + STOP] = 1
        self.sum.finish()


class TreeSums(Sums):
    """Group gradients added in the fixed tree: aligned subtrees in one kernel call where the model has it.

    Parameters
    ----------
    local : Local
    runs : (ranks + 1,) int array
        Bounds of each rank's run of groups.
    bounds : (groups + 1,) int64
        Of the rank's groups, in its strata.
    depth : int
        Rows that a stratum gives to a batch at most.
    comm, sliced
        As in `PlainSums`.
    """

    def __init__(
        self, local: Local, runs: np.ndarray, bounds: np.ndarray, depth: int, comm: Comm, sliced: bool = False
    ) -> None:
        self.local, self.bounds = local, bounds
        tail = TALLY if sliced else 0
        self.tree = TreeSum(comm, int(runs[-1]), runs, local.size + TALLY, local.work.dtype, tail)
        self.slices, self.total = self.tree.slices, self.tree.total
        self.error: Exception | None = None
        self.pieces = pieces(int(runs[comm.rank]), bounds * depth, CHUNK if local.tree else 0)

    def warm(self, w: np.ndarray, vector: np.ndarray) -> None:
        """See `Sums.warm`."""
        super().warm(w, vector)
        if self.local.tree:
            self.local.write(w, np.zeros(2, np.int32), vector, np.arange(3))

    def add(self, w: np.ndarray, batch: Batch, stop: bool = False) -> None:
        """See `Sums.add`."""
        self.error = None
        bounds = batch.ends[self.bounds]
        for a, b in self.pieces:
            buffer, rows = self.tree.buffer(), slice(bounds[a], bounds[b])
            error = safely(self.local, w, batch, rows, buffer, bounds[a : b + 1] - bounds[a])
            buffer[self.local.size + STOP] = stop
            self.error = self.error or error
            self.tree.push(b - a)
        self.tree.finish()


def pieces(first: int, bounds: np.ndarray, most: int) -> list[tuple[int, int]]:
    """Cut a rank's run of groups into aligned subtrees of at most `most` rows, or single groups: [start, stop).

    Parameters
    ----------
    first : int
        Number of the rank's first group over all ranks.
    bounds : (groups + 1,) int64
        First row of each.
    most : int
    """
    found, a, end = [], 0, bounds.size - 1
    while a < end:
        width = 1
        while (first + a) % (2 * width) == 0 and a + 2 * width <= end and bounds[a + 2 * width] - bounds[a] <= most:
            width *= 2
        found.append((a, a + width))
        a += width
    return found
