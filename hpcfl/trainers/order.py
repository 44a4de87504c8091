"""Which local rows a rank takes at each step of an epoch."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.config import Job
from hpcfl.data.batch import Batch
from hpcfl.data.lazy import Lazy
from hpcfl.data.plan import Plan
from hpcfl.data.ring import WINDOW
from hpcfl.data.shard import Shard, Shards, row_bytes
from hpcfl.data.stream import Stream
from hpcfl.errors import UsageError
from hpcfl.kernels import order as kernels
from hpcfl.seeding import key
from hpcfl.trainers.summing import batch_rows

BLOCK = 1 << 18  # bytes of a block, if a stream has many of these


class Batches(Protocol):
    """What gives each step its rows: `Order`, or `hpcfl.data.stream.Stream`.

    Attributes
    ----------
    steps : int
        Steps of an epoch.
    train : Shard
        What the numbers in a batch are rows of.
    """

    steps: int
    train: Shard

    def warm(self) -> None:
        """Compile all kernels (local)."""

    def begin(self, epoch: int, step: int) -> None:
        """Begin an epoch at a step: of the first one any, of those after it 0 (local)."""

    def batch(self, step: int) -> Batch:
        """Return the rank's rows of a step, valid until the next call (local)."""

    def close(self) -> None:
        """Let go of what is open (local)."""


class Order:
    """The orders of all epochs, each from (seed, epoch, stratum) alone; every row is in memory."""

    def __init__(self, plan: Plan, train: Shard, rank: int, seed: int) -> None:
        self.first, end = plan.owned(plan.strata, rank)
        bounds = plan.strata[self.first : end + 1]
        self.starts, self.lengths = bounds[:-1] - bounds[0], np.diff(bounds)
        # The first strata are the longer ones, on every rank: see plan.strata_bounds.
        self.steps = int(plan.strata[1] - plan.strata[0])
        # Strata that have a row left for the last step; the ones before it have one in every.
        self.last = int((self.lengths == self.steps).sum())
        self.ends = np.arange(len(bounds))
        self.rows = np.empty((self.steps, len(self.lengths)), np.int32)
        self.train, self.seed = train, seed

    def warm(self) -> None:
        """See `Batches.warm`."""
        self.begin(0)

    def begin(self, epoch: int, _step: int = 0) -> None:
        """See `Batches.begin`."""
        kernels.strata(key(self.seed, "order", epoch), self.first, self.starts, self.lengths, self.rows)

    def batch(self, step: int) -> Batch:
        """See `Batches.batch`."""
        if step == self.steps - 1:
            return Batch(self.rows[step, : self.last], np.minimum(self.ends, self.last))
        return Batch(self.rows[step], self.ends)

    def close(self) -> None:
        """See `Batches.close`."""


def ordered(job: Job, shards: Shards, comm: Comm) -> Batches:
    """Return what gives each step its rows (collective)."""
    if job.data.order == "rows":
        return Order(shards.plan, shards.train, comm.rank, job.seed)
    with comm.together("making room for blocks"):
        return _streamed(job, shards, comm.rank)


def _streamed(job: Job, shards: Shards, rank: int) -> Stream:
    size, row, plan = batch_rows(job, shards.total), row_bytes(shards.table), shards.plan
    block = max(min(int(BLOCK // row), int(plan.strata[1]) // (4 * WINDOW)), 1)
    if plan.depth > WINDOW * block:
        raise UsageError(
            f"train.batch_size = {size}: a stream would give {plan.depth} rows to a step, more than "
            f"{WINDOW * block}; raise data.streams, or lower train.batch_size"
        )
    first, end = plan.owned(plan.strata, rank)
    need = 2 * WINDOW * block * (end - first) * row / 2**20
    if isinstance(shards.train.x, Lazy) and need > job.data.memory_limit:
        raise UsageError(
            f"data.memory_limit = {job.data.memory_limit:g}: {end - first} streams a rank need {need:.3g} MiB; "
            "raise it, lower data.streams, or start more ranks"
        )
    return Stream(plan, shards.train, size, block, rank, job.seed, int(job.data.memory_limit * 2**20 / row))
