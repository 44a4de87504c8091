"""Which way a job's gradients are summed."""

from __future__ import annotations

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.config import Job
from hpcfl.data import plan
from hpcfl.data.shard import Shards
from hpcfl.kernels.network import CHUNK
from hpcfl.schema import name_of
from hpcfl.trainers.compressed import CompressedSums
from hpcfl.trainers.gradients import Local, PlainSums, Sums, TreeSums
from hpcfl.trainers.objective import Objective
from hpcfl.trainers.sliced import SlicedStepper, sliced
from hpcfl.trainers.sparse import SparseStepper, SparseSums, fits
from hpcfl.trainers.stepper import Stepper


def compresses(job: Job) -> bool:
    """Return whether gradients travel compressed."""
    return name_of(job.comm.compressor) != "none"


def batch_rows(job: Job, n: int) -> int:
    """Return the rows of a step over all ranks, of n in all."""
    return n if job.train.batch_size == "full" else int(job.train.batch_size)


def cut(job: Job, ranks: int, n: int) -> plan.Plan:
    """Return who owns which of n training rows."""
    size, grouped = batch_rows(job, n), job.reproducible or compresses(job)
    if job.data.order == "blocks":
        return plan.streamed(n, size, job.data.streams, ranks, job.train.groups if grouped else None)
    if grouped:
        return plan.grouped(n, size, ranks, job.train.groups)
    return plan.batches(n, size, ranks)


def sums(job: Job, objective: Objective, shards: Shards, comm: Comm) -> Sums:
    """Return what sums gradients over ranks at each step, as the plan asks (collective)."""
    rows = shards.plan
    first, end = rows.owned(rows.strata, comm.rank)
    if fits(job, objective, shards, batch_rows(job, shards.total)):
        return SparseSums(Local(objective, shards, (end - first) * rows.depth), comm)
    if not rows.groups:
        return PlainSums(Local(objective, shards, (end - first) * rows.depth), comm, sliced(job, objective))
    runs = np.searchsorted(rows.segments, rows.cuts)
    groups = np.searchsorted(rows.strata, rows.segments[runs[comm.rank] : runs[comm.rank + 1] + 1])
    bounds = groups - first
    most = max(int(np.diff(bounds).max()) * rows.depth, min(CHUNK, int(bounds[-1]) * rows.depth))
    local = Local(objective, shards, most)
    if not compresses(job):
        return TreeSums(local, runs, bounds, rows.depth, comm, sliced(job, objective))
    with comm.node_first("compiling the compressor"):
        gradient = CompressedSums(local, runs, bounds, comm, job.comm, job.seed, objective.layout)
    return gradient


def stepping(job: Job, objective: Objective, shards: Shards, steps: int, gradient: Sums, comm: Comm) -> Stepper:
    """Return what moves the parameters by what `gradient` adds up (collective)."""
    if isinstance(gradient, SparseSums):
        return SparseStepper(gradient, job, objective, shards, steps, comm)
    if gradient.slices:
        return SlicedStepper(gradient.slices, job, objective, shards, steps, comm)
    return Stepper(job, objective, shards, steps, comm)
