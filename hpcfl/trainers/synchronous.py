"""Synchronous SGD: file -> shard -> batch -> kernel -> flat vector -> sum -> optimizer -> parameters."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Any

from hpcfl.comm.communicator import Comm
from hpcfl.config import Job
from hpcfl.data import shard
from hpcfl.data.checkpoint import Loaded
from hpcfl.data.shard import Shards
from hpcfl.trainers.evaluation import evaluate, scalars
from hpcfl.trainers.gradients import Sums
from hpcfl.trainers.keeper import Keeper
from hpcfl.trainers.objective import Objective, bind
from hpcfl.trainers.order import Batches, ordered
from hpcfl.trainers.outcome import Outcome
from hpcfl.trainers.stepper import Stepper
from hpcfl.trainers.strides import strides
from hpcfl.trainers.summing import cut, stepping, sums


def epochs(job: Job, comm: Comm, keeper: Keeper) -> Generator[dict[str, Any], None, Outcome]:
    """Train by synchronous SGD, one record an epoch (collective).

    Raises
    ------
    DivergedError
        The loss is not finite; the step and the learning rate are named.
    """
    shards = shard.load(job.data, job.seed, job.model.dtype, comm, partial(cut, job, comm.size))
    objective = bind(job, shards, comm)
    with closing(ordered(job, shards, comm)) as order:
        shards = replace(shards, train=order.train)
        outcome = yield from _train(job, comm, keeper, shards, objective, order)
    return outcome


def _train(
    job: Job, comm: Comm, keeper: Keeper, shards: Shards, objective: Objective, order: Batches
) -> Generator[dict[str, Any], None, Outcome]:
    attrs = objective.attrs(shards)
    gradient = sums(job, objective, shards, comm)
    stepper = stepping(job, objective, shards, order.steps * job.train.epochs, gradient, comm)
    with comm.node_first("compiling kernels"):
        stepper.warm(gradient)
        order.warm()
        several = strides(job, gradient, stepper, order, shards.total)
    first, done = resume(keeper.load(shards.table.files), stepper, gradient)
    w, seconds, trained = stepper.w, 0.0, 0.0
    record: dict[str, Any] = {}
    for epoch in range(first, job.train.epochs):
        last = epoch + 1 == job.train.epochs
        start, before = perf_counter(), keeper.seconds
        order.begin(epoch, done)
        step = done
        while step < order.steps:
            n = several.length(step) if several else 1
            asks = keeper.asks(stepper.t + n)
            if several and n > 1:
                several.make(step, n, asks)
            else:
                gradient.add(w, order.batch(step), asks)
                stepper.step(gradient.total, gradient.error)
            step += n
            end = last and step == order.steps
            if stepper.asked or end:
                keeper.keep({"epoch": epoch, "step": step}, stepper.arrays(), gradient.own(), last=end)
        spent = perf_counter() - start - (keeper.seconds - before)
        share, done = (order.steps - done) / order.steps, 0
        trained, seconds = trained + share * shards.total, seconds + spent
        record = {"epoch": epoch + 1, "step": stepper.t, **stepper.epoch_means()}
        record |= {"learning_rate": stepper.rate, "seconds": spent, "samples_per_second": share * shards.total / spent}
        if shards.test_total and (last or (epoch + 1) % job.evaluate.every == 0):
            result = evaluate(objective, w, shards.test, attrs, comm)
            record["test"] = result if last else scalars(result)
        yield record
    summary = {
        "rows": shards.total,
        "test_rows": shards.test_total,
        "steps": stepper.t,
        "train_seconds": seconds,
        "samples_per_second": trained / seconds if seconds else 0.0,
        "final": {name: record[name] for name in ("train_loss", "test") if name in record},
    }
    return Outcome(objective.arrays(w), attrs, summary)


def resume(loaded: Loaded | None, stepper: Stepper, gradient: Sums) -> tuple[int, int]:
    """Put the stepper where a checkpoint stood, and return its epoch and the steps made in it."""
    if loaded is None:
        return 0, 0
    stepper.restore(loaded.shared)
    gradient.restore(stepper.t, loaded.own)
    return loaded.position["epoch"], loaded.position["step"]
