"""Forests: rows to bins, trees grown over trees, over rows or on each rank's own rows, or boosted."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from hpcfl import metrics
from hpcfl.comm.communicator import Comm
from hpcfl.config import Job
from hpcfl.forest import binning, boost, federated, importance, oob, over_rows, over_trees
from hpcfl.forest.bench import (
    Bench,
    attrs,
    fits,
    link,
    model_arrays,
    prepare,
    problem,
    restore,
    stored,
    values_of,
)
from hpcfl.forest.target import of_classes, of_values
from hpcfl.forest.trees import Trees, empty, gather, join
from hpcfl.models.forest import finish, raw
from hpcfl.trainers.evaluation import scalars
from hpcfl.trainers.keeper import Keeper
from hpcfl.trainers.outcome import Outcome

RECORDS = 4  # records that the trees of a forest are grown in


def epochs(job: Job, comm: Comm, keeper: Keeper) -> Generator[dict[str, Any], None, Outcome]:
    """Grow a forest, some trees a record (boosting: one round) (collective)."""
    bench, binned = prepare(job, comm)
    loaded = keeper.load(bench.shards.table.files)
    trees = restore(loaded.shared) if loaded else empty(values_of(bench))
    boosted = bench.rule.boosting
    base = boost.base(problem(bench), comm) if boosted else np.zeros(max(values_of(bench), 1))
    seconds, record = binned, {}
    score = warm_score(bench, trees, base) if boosted else np.zeros(0)
    steps = boosting(bench, trees, score, comm) if boosted else bagging(bench, trees, comm)
    start = perf_counter()
    for trees, extra in steps:
        spent, done = perf_counter() - start, trees.count // (base.size if boosted else 1)
        seconds += spent
        last = done >= bench.rule.trees
        record = {"trees": done, **extra, "seconds": spent}
        if bench.shards.test_total and (last or not boosted or done % job.evaluate.every == 0):
            result = test(bench, trees, base, comm)
            record["test"] = result if last else scalars(result)
        yield record
        if comm.max(float(keeper.asks(rounds=done)), "stop") or last:
            keeper.keep({"trees": done}, stored(trees), last=last)
        start = perf_counter()
    if not record:  # resumed when all trees were grown
        record = {"trees": trees.count // (base.size if boosted else 1)}
        if bench.shards.test_total:
            record["test"] = test(bench, trees, base, comm)
    arrays = model_arrays(bench, trees, base)
    summary = {
        "rows": bench.shards.total,
        "test_rows": bench.shards.test_total,
        "rounds": record["trees"],
        "train_seconds": seconds,
        "samples_per_second": bench.shards.total * record["trees"] / seconds if seconds else 0.0,
        "nodes": int(trees.starts[-1]),
        "final": {name: record[name] for name in ("train_loss", "test") if name in record},
    }
    extras(bench, trees, base, summary, arrays, comm, job.seed)
    return Outcome(arrays, attrs(bench), summary)


def bagging(bench: Bench, trees: Trees, comm: Comm) -> Iterator[tuple[Trees, dict[str, Any]]]:
    """Yield the forest as it grows, from the trees that are there (collective)."""
    rule, shards = bench.rule, bench.shards
    y = shards.train.y[:, 0]
    if shards.classes:
        goal = of_classes(y, bench.weight, max(shards.classes, 2), comm)
    else:
        goal = of_values(y, bench.weight, shards.total, comm)
    if rule.distribute == "federated":
        yield federated.grow(bench.codes, goal, bench.plan, rule.trees, comm), {}
        return
    whole = fits(bench, comm)
    if whole:
        every = binning.share(bench.codes, comm)
        goal = replace(goal, unit=comm.allgatherv(goal.unit, "targets"))
    step = -(-rule.trees // (RECORDS * comm.size)) * comm.size
    for a in range(trees.count, rule.trees, step):
        numbers = range(a, min(a + step, rule.trees))
        if whole:
            mine = np.array(numbers[comm.rank :: comm.size], np.int64)
            with comm.together("growing trees"):
                own = over_trees.grow(every, goal, bench.plan, mine)
            grown = gather(own, mine, comm)
        else:
            grown = over_rows.grow(bench.codes, bench.first, goal, bench.plan, numbers, comm, rule.ship_rows)
        trees = join([trees, grown])
        yield trees, {}


def boosting(bench: Bench, trees: Trees, score: np.ndarray, comm: Comm) -> Iterator[tuple[Trees, dict[str, Any]]]:
    """Yield the trees after each round, and the loss before it, from the trees that are there (collective)."""
    p, rule = problem(bench), bench.rule
    done = trees.count // p.outputs
    steps = boost.rounds(p, score, bench.plan, rule.learning_rate, comm, trees.count)
    for _ in range(done, rule.trees):
        grown, loss = next(steps)
        trees = join([trees, grown])
        yield trees, {"train_loss": loss}


def warm_score(bench: Bench, trees: Trees, base: np.ndarray) -> np.ndarray:
    """Return the raw scores of this rank's training rows under the trees that are there."""
    return raw(trees.packed(), model_arrays(bench, trees, base), bench.codes)


def test(bench: Bench, trees: Trees, base: np.ndarray, comm: Comm) -> dict[str, Any]:
    """Return the metrics over the test rows of all ranks (collective)."""
    with comm.together("evaluating"):
        outputs = finish(raw(trees.packed(), model_arrays(bench, trees, base), bench.tested), link(bench))
    y = bench.shards.test.y
    return metrics.evaluate(outputs, y[:, 0], y[:, 1], attrs(bench)["task"], comm)


def extras(
    bench: Bench, trees: Trees, base: np.ndarray, summary: dict[str, Any], arrays: dict[str, np.ndarray],
    comm: Comm, seed: int,
) -> None:  # fmt: skip
    """Add importances and the out-of-bag score where they are asked for (collective)."""
    rule, shards = bench.rule, bench.shards
    arrays["importance"] = importance.impurity(trees, len(bench.edges))
    if rule.oob and bench.plan.bootstrap and rule.distribute != "federated":
        y = shards.train.y[:, 0]
        summary["oob"] = oob.score(trees, bench.codes, bench.first, y, shards.classes, bench.plan, comm)
    if rule.permutations and shards.test_total:
        y, packed = shards.test.y[:, 0], trees.packed()

        def score(codes: np.ndarray) -> np.ndarray:
            outputs = finish(raw(packed, arrays, codes), link(bench))
            right = outputs.argmax(1) == y if shards.classes else -((outputs[:, 0] - y) ** 2)
            return np.asarray(right, np.float64)

        arrays["permutation_importance"] = importance.permutation(score, bench.tested, rule.permutations, seed, comm)
