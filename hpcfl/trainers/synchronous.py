"""Synchronous SGD: file -> shard -> batch -> kernel -> flat vector -> sum -> optimizer -> parameters."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from time import perf_counter
from typing import Any

from hpcfl.comm.communicator import Comm
from hpcfl.config import Job
from hpcfl.data import plan, shard
from hpcfl.trainers.evaluation import evaluate, scalars
from hpcfl.trainers.gradients import sums
from hpcfl.trainers.objective import bind
from hpcfl.trainers.order import Order
from hpcfl.trainers.outcome import Outcome
from hpcfl.trainers.stepper import Stepper


def epochs(job: Job, comm: Comm) -> Generator[dict[str, Any], None, Outcome]:
    """Train by synchronous SGD, one record an epoch (collective).

    Raises
    ------
    DivergedError
        The loss is not finite; the step and the learning rate are named.
    """
    shards = shard.load(job.data, job.seed, job.model.dtype, comm, partial(cut, job, comm.size))
    objective = bind(job, shards, comm)
    attrs = objective.attrs(shards)
    order = Order(shards.plan, comm.rank, job.seed)
    stepper = Stepper(job, objective, shards, order.steps * job.train.epochs, comm)
    gradient = sums(objective, shards, stepper.vector, comm)
    with comm.node_first("compiling kernels"):
        stepper.warm(gradient)
    w, seconds, record = stepper.w, 0.0, {}
    for epoch in range(job.train.epochs):
        rows = order.epoch(epoch)
        start = perf_counter()
        for step in range(order.steps):
            gradient.add(w, rows.batch(step))
            stepper.step(gradient.error)
        spent = perf_counter() - start
        seconds += spent
        record = {"epoch": epoch + 1, "step": stepper.t, **stepper.epoch_means()}
        record |= {"learning_rate": stepper.rate, "seconds": spent, "samples_per_second": shards.total / spent}
        last = epoch + 1 == job.train.epochs
        if shards.test_total and (last or (epoch + 1) % job.evaluate.every == 0):
            result = evaluate(objective, w, shards.test, attrs, comm)
            record["test"] = result if last else scalars(result)
        yield record
    summary = {
        "rows": shards.total,
        "test_rows": shards.test_total,
        "steps": stepper.t,
        "train_seconds": seconds,
        "samples_per_second": shards.total * job.train.epochs / seconds if seconds else 0.0,
        "final": {name: record[name] for name in ("train_loss", "test") if name in record},
    }
    return Outcome(objective.arrays(w), attrs, summary)


def cut(job: Job, ranks: int, n: int) -> plan.Plan:
    """Return who owns which of n training rows."""
    size = n if job.train.batch_size == "full" else int(job.train.batch_size)
    return plan.grouped(n, size, ranks, job.train.groups) if job.reproducible else plan.batches(n, size, ranks)
