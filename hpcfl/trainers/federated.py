"""Federated rounds: the server tells, clients train on their own rows, their updates become one."""

from __future__ import annotations

from collections.abc import Generator
from time import perf_counter
from typing import Any

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.config import Job
from hpcfl.data.checkpoint import Loaded
from hpcfl.errors import UsageError
from hpcfl.federated import population
from hpcfl.federated.measure import Measure
from hpcfl.federated.rounds import Rounds
from hpcfl.federated.warm import warm
from hpcfl.registry import nearest
from hpcfl.schema import name_of
from hpcfl.sections.fits import robust
from hpcfl.trainers.evaluation import evaluate, scalars
from hpcfl.trainers.keeper import Keeper
from hpcfl.trainers.objective import Objective, bind
from hpcfl.trainers.outcome import Outcome
from hpcfl.trainers.spending import Spending


def epochs(job: Job, comm: Comm, keeper: Keeper) -> Generator[dict[str, Any], None, Outcome]:
    """Train by federated rounds, one record a round (collective).

    Raises
    ------
    UsageError
        The cohort is larger than the clients, or the partition cannot be made.
    """
    people, objective = prepare(job, comm)
    rounds = Rounds(job, objective, people, comm)
    judge = Judge(job, objective, rounds)
    spending = Spending(job.evaluate.target)
    first = resume(keeper.load(people.files, apart=judge.silos), rounds, spending)
    rounds.tell()
    spent: list[float] = []
    record: dict[str, Any] = {}
    rows = 0
    for r in range(first, job.train.rounds):
        start = perf_counter()
        record = rounds.round(r, keeper.asks(rounds=r + 1))
        spent.append(perf_counter() - start)
        record |= {"learning_rate": rounds.rate(r), "seconds": spent[-1]}
        if people.lost.size:
            record["lost_clients"] = people.lost.tolist()
        rows += record["rows"]
        last = r + 1 == job.train.rounds
        if last or (r + 1) % job.evaluate.every == 0:
            record |= judge(r + 1, last)
        spending.add(record)
        if last and (notes := spending.notes(job.federated.bound)):
            record["notes"] = notes
        yield record
        if rounds.asked or last:
            server = rounds.arrays() | {"spending": np.array(spending.sums)}
            rounds.kept.settle(keeper.keep({"round": r + 1}, server, rounds.kept.arrays(), last))
    if not spent:  # resumed when all rounds were made
        record |= judge(job.train.rounds, True)
    several = {"models": rounds.shared[: rounds.models].copy()} if rounds.models > 1 else {}
    totals = counts(people) | {"rounds": job.train.rounds} | times(spent, rows) | spending.summary()
    totals["final"] = {name: v for name, v in record.items() if name == "train_loss" or isinstance(v, dict)}
    return Outcome(objective.arrays(rounds.w) | several, judge.attrs, totals)


def prepare(job: Job, comm: Comm) -> tuple[population.Population, Objective]:
    """Return the clients, and the model bound to their rows, its kernels compiled (collective)."""
    people = population.load(job, comm)
    with comm.together("reading the job file"):
        check(job, people)
    objective = bind(job, people.shards, people.comm)
    with comm.together("reading the job file"):
        fits(job, tuple(objective.layout.shapes))
    with comm.node_first("compiling kernels"):
        warm(job, objective, people)
    return people, objective


class Judge:
    """Says how good the models are: on the test set, and client by client.

    Attributes
    ----------
    silos : bool
        Whether each client's rows are on a rank of their own.
    attrs : dict
        What prediction needs beside the parameters.
    """

    def __init__(self, job: Job, objective: Objective, rounds: Rounds) -> None:
        people = rounds.people
        self.objective, self.rounds, self.comm, self.test = objective, rounds, rounds.comm, people.shards.test
        self.silos = bool((people.owner >= 0).all())
        self.attrs = attrs = objective.attrs(people.shards)
        self.tested = people.shards.test_total > 0 and (not job.evaluate.on or "test" in job.evaluate.on)
        self.measure = Measure(
            job,
            rounds.clients,
            lambda w: objective.rule.predictor(objective.arrays(w), attrs),
            getattr(objective.rule, "probabilities", True),
            rounds.group,
            rounds.groups,
        )

    def __call__(self, r: int, last: bool) -> dict[str, Any]:
        """Return what is measured after `r` rounds; all metrics if it is the `last` time (collective)."""
        found, rounds = {}, self.rounds
        if self.tested:
            ranked = not self.silos  # an AUC compares single rows, which must not leave a silo
            test = evaluate(self.objective, rounds.w, self.test, self.attrs, self.comm, ranked)
            found["test"] = test if last else scalars(test)
        return found | self.measure(r, rounds.shared, rounds.rate(max(r - 1, 0)), self.comm)


def counts(people: population.Population) -> dict[str, Any]:
    """Return the summary's counts of rows and clients."""
    return {
        "rows": int(people.counts.sum()),
        "test_rows": people.shards.test_total,
        "clients": int(np.count_nonzero(people.counts)),
    }


def times(spent: list[float], rows: int) -> dict[str, float]:
    """Return the summary's times, of the seconds `spent` on each round and the `rows` trained on in them."""
    return {
        "train_seconds": sum(spent),
        "seconds_per_round": float(np.median(spent)) if spent else 0.0,
        "samples_per_second": rows / sum(spent) if spent else 0.0,
    }


def resume(loaded: Loaded | None, rounds: Rounds, spending: Spending) -> int:
    """Put the rounds where a checkpoint stood, and return how many were made."""
    if loaded is None:
        return 0
    done = loaded.position["round"]
    rounds.restore(done, loaded.shared, loaded.own)
    spending.sums = loaded.shared["spending"].tolist()
    return done


def check(job: Job, people: population.Population) -> None:
    """Refuse a cohort larger than the clients that have rows, or too small for the aggregator."""
    clients, fed = int(np.count_nonzero(people.counts)) + people.lost.size, job.federated
    try:
        robust(fed, clients)
    except ValueError as error:
        raise UsageError(f"federated.{error}") from None
    if fed.attack and fed.attack.clients > clients:
        raise UsageError(
            f"federated.attack.clients = {fed.attack.clients}: only {clients} clients have rows; "
            f"set it to {clients} or less"
        )
    most = fed.deadline.over_selection * fed.clients_per_round
    if not fed.fraction and fed.clients_per_round <= clients < round(most):
        raise UsageError(
            f"federated.deadline.over_selection = {fed.deadline.over_selection}: {round(most)} clients would be drawn, "
            f"only {clients} have rows; lower it or clients_per_round"
        )
    busy = fed.asynchronous.concurrency + fed.clients_per_round - 1
    if fed.asynchronous.concurrency and busy > clients:
        raise UsageError(
            f"federated.asynchronous.concurrency = {fed.asynchronous.concurrency}: with clients_per_round = "
            f"{fed.clients_per_round} up to {busy} clients train or wait, only {clients} have rows; lower either"
        )
    if not fed.fraction and fed.clients_per_round > clients:
        raise UsageError(
            f"federated.clients_per_round = {fed.clients_per_round}: only {clients} clients have rows; "
            f"set it to {clients} or less"
        )


def fits(job: Job, names: tuple[str, ...]) -> None:
    """Refuse parts that are to stay local and are not in the layout, or are all of it."""
    own = job.federated.strategy.local(names)
    strange = [name for name in own if name not in names]
    where = f"federated.strategy: {name_of(job.federated.strategy)} keeps"
    if strange:
        raise UsageError(f"{where} '{strange[0]}' local, the model has no such part{nearest(strange[0], list(names))}")
    if len(own) == len(names):
        raise UsageError(f"{where} {', '.join(own)} local, which is all of the model; name fewer, or use an mlp")
