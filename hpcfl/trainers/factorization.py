"""Matrix factorization: ratings -> factors of users and items, each rank solving its own rows."""

from __future__ import annotations

from collections.abc import Generator
from time import perf_counter
from typing import Any

import numpy as np

from hpcfl import metrics, schema
from hpcfl.comm.communicator import Comm
from hpcfl.config import Job
from hpcfl.data.table import expand
from hpcfl.errors import DivergedError, UsageError
from hpcfl.factorization import measure
from hpcfl.factorization.als import Alternating
from hpcfl.factorization.deal import Deal
from hpcfl.factorization.federated import Silos
from hpcfl.factorization.ratings import Ratings, load
from hpcfl.factorization.sgd import Rotation
from hpcfl.trainers.keeper import Keeper
from hpcfl.trainers.outcome import Outcome

METHODS: dict[str, Any] = {"als": Alternating, "sgd_mf": Rotation, "federated_mf": Silos}
BLOCKS = 256  # a power of two, and more than most have ranks


def epochs(job: Job, comm: Comm, keeper: Keeper) -> Generator[dict[str, Any], None, Outcome]:
    """Factorize, one record an iteration (collective).

    Raises
    ------
    UsageError
        The model is no factorization.
    DivergedError
        Factors are not finite.
    """
    rule = job.model.rule
    method = METHODS.get(schema.name_of(rule))
    if method is None:
        with comm.together("reading the job file"):
            raise UsageError(
                f"model.name = '{schema.name_of(rule)}' factorizes nothing; there are: {', '.join(METHODS)}"
            )
    blocks = getattr(rule, "blocks", BLOCKS)
    both = method.both_sides or getattr(rule, "feedback", False)
    ratings = load(job.data, job.seed, rule.split == "time", blocks, both, comm)
    state = method(rule, ratings, job.model.dtype, job.seed, comm)
    with comm.node_first("compiling kernels"):
        state.warm()
        measure.warm(state.users, state.items)
    loaded = keeper.load(expand(job.data.train))
    first = loaded.position["iteration"] if loaded else 0
    if loaded:
        state.restore(loaded.shared, first)
    seconds: list[float] = []
    record: dict[str, Any] = {}
    for iteration in range(first, job.train.iterations):
        start = perf_counter()
        state.step()
        seconds.append(perf_counter() - start)
        last = iteration + 1 == job.train.iterations
        record = {"iteration": iteration + 1, "seconds": seconds[-1]}
        if last or (iteration + 1) % job.evaluate.every == 0:
            record |= evaluate(rule, ratings, state, last, comm)
        if last:
            record |= {"notes": ratings.notes}
        yield record
        if comm.max(keeper.asks(rounds=iteration + 1), "stop") or last:
            kept = {name: whole(own, deal, comm) for name, (own, deal) in state.kept().items()}
            keeper.keep({"iteration": iteration + 1}, kept, last=last)
    if not record:  # resumed when all iterations were made
        record = evaluate(rule, ratings, state, True, comm) | {"notes": ratings.notes}
    rows, spent = ratings.facts["rows"], sum(seconds)
    summary = {
        **ratings.facts,
        "steps": len(seconds),
        "train_seconds": spent,
        "samples_per_second": rows * len(seconds) / spent if spent else 0.0,
        "final": {name: record[name] for name in ("train_loss", "test") if name in record},
    }
    return Outcome(arrays(ratings, state, comm), {"task": "ratings", "mean": ratings.mean}, summary)


def evaluate(rule: Any, ratings: Ratings, state: Any, last: bool, comm: Comm) -> dict[str, Any]:
    """Return train_loss and test metrics; rankings only when it is the `last` time (collective)."""
    items = whole(state.items, ratings.items, comm)
    loss = measure.train_loss(rule, ratings, state.users, items, comm)
    with comm.together("evaluating"):
        if not np.isfinite(loss):
            raise DivergedError("the factors are not finite; lower model.learning_rate, or raise model.regularization")
    out: dict[str, Any] = {"train_loss": loss}
    if ratings.facts["test_rows"]:
        test = {}
        if not rule.implicit:
            outputs = measure.predictions(rule, ratings, state.users, items)[:, None]
            test = metrics.evaluate(outputs, ratings.test.rating, np.ones(len(outputs)), "regression", comm)
        if last or rule.implicit:
            test |= measure.ranking(rule, ratings, state.users, items, comm)
        out["test"] = test
    return out


def whole(own: np.ndarray, deal: Deal, comm: Comm) -> np.ndarray:
    """Return the rows of all ranks (n, rank + 1), for evaluation and the model file (collective)."""
    out = np.empty((int(deal.bounds[-1]), own.shape[1]), own.dtype)
    comm.share(np.ascontiguousarray(own), out, np.diff(deal.bounds) * own.shape[1], "factors")
    return out


def arrays(ratings: Ratings, state: Any, comm: Comm) -> dict[str, np.ndarray]:
    """Return what the model file holds; users' factors only where they may leave their rank (collective)."""
    out = {"items": whole(state.items, ratings.items, comm)}
    if not state.private:
        out["users"] = whole(state.users, ratings.users, comm)
    for name, ids, count in zip(("user", "item"), ratings.ids, ratings.counts, strict=True):
        out[f"{name}_id"] = np.char.encode(ids, "utf-8") if ids.dtype.kind == "U" else ids
        out[f"{name}_count"] = count
    return out
