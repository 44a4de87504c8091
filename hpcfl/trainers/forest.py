"""Forests: rows to bins, trees grown over trees, over rows or on each rank's own rows, or boosted."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from hpcfl import metrics
from hpcfl.comm.communicator import Comm
from hpcfl.config import Job
from hpcfl.data import shard
from hpcfl.data.shard import Shards
from hpcfl.errors import UsageError
from hpcfl.forest import binning, boost, federated, importance, oob, over_rows, over_trees
from hpcfl.forest.plan import Plan
from hpcfl.forest.target import Target, of_classes, of_values
from hpcfl.forest.trees import Trees, empty, gather, join
from hpcfl.models.forest import Forest, finish, raw
from hpcfl.trainers.evaluation import scalars
from hpcfl.trainers.keeper import Keeper
from hpcfl.trainers.outcome import Outcome

RECORDS = 4  # records that the trees of a forest are grown in


@dataclass(frozen=True)
class Bench:
    """What the growing works on: this rank's rows as bins, and the job's words for the trees."""

    rule: Forest
    shards: Shards
    edges: np.ndarray
    codes: np.ndarray
    tested: np.ndarray
    weight: np.ndarray
    plan: Plan
    rank: int

    @property
    def first(self) -> int:
        """Number of this rank's first row among all training rows."""
        return int(self.shards.plan.cuts[self.rank])


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
        asked = comm.max(float(keeper.asks(rounds=done)), "stop")
        if asked and not last:
            keeper.keep({"trees": done}, stored(trees))
        yield record
        start = perf_counter()
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


def prepare(job: Job, comm: Comm) -> tuple[Bench, float]:
    """Read this rank's rows and bin them; also return the seconds that binning took (collective)."""
    rule = job.model.rule
    with comm.together("reading the job file"):
        if not isinstance(rule, Forest):
            raise UsageError("train.mode = 'forest' needs model.name = 'forest'")
    shards = shard.load(job.data, job.seed, job.model.dtype, comm)
    d, x = shards.table.features, shards.train.x
    with comm.node_first("compiling kernels"):
        warm(rule, shards)
    start = perf_counter()
    first = int(shards.plan.cuts[comm.rank])
    if rule.distribute == "federated":
        edges = federated.edges(x, d, comm)
    else:
        edges = binning.edges(x, d, first, comm, job.seed)
    with comm.together("binning"):
        codes = binning.codes(x, edges)
    spent = perf_counter() - start
    depth = rule.max_depth or (6 if rule.boosting else 0)
    plan = Plan(
        job.seed, depth, rule.features(d, shards.classes), rule.min_samples_leaf,
        rule.bootstrap and not rule.boosting, rule.random_thresholds, rule.l2,
    )  # fmt: skip
    weight = class_weights(rule, shards, comm)
    tested = binning.codes(shards.test.x, edges)
    return Bench(rule, shards, edges, codes, tested, weight, plan, comm.rank), spent


def class_weights(rule: Forest, shards: Shards, comm: Comm) -> np.ndarray:
    """Return the weight of each of this rank's rows (collective)."""
    y, weight = shards.train.y[:, 0], shards.train.y[:, 1].astype(np.float64)
    if rule.class_weight == "one" or not shards.classes:
        return weight
    count = comm.sum(np.bincount(y.astype(np.int64), minlength=shards.classes), "class counts")
    return np.asarray(weight * (shards.total / (shards.classes * np.maximum(count, 1)))[y.astype(np.int64)])


def warm(rule: Forest, shards: Shards) -> None:
    """Compile what growing needs, on a few made-up rows."""
    rows = np.zeros((4, shards.table.features), np.float32)
    edges = np.zeros((shards.table.features, binning.EDGES), rows.dtype)
    edges[:, 1:] = np.inf
    codes = binning.codes(rows, edges)
    goal = Target(np.array([1, 1, 1, 1]), shards.classes or 1)
    over_trees.grow(codes, goal, Plan(0, 0, 1, 1, True, False), np.arange(1))


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


def fits(bench: Bench, comm: Comm) -> bool:
    """Return whether the bins of all rows go to every rank (collective)."""
    if bench.rule.distribute != "auto":
        return bench.rule.distribute == "trees"
    need = bench.shards.total * (bench.codes.shape[1] + 48) * comm.node.size
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
    return comm.max(float(need > free), "memory") == 0


def problem(bench: Bench) -> boost.Problem:
    """Return what is boosted."""
    y = bench.shards.train.y[:, 0].astype(np.float64)
    return boost.Problem(bench.codes, y, bench.weight, bench.shards.classes, bench.shards.total)


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


def values_of(bench: Bench) -> int:
    """Return how many numbers a leaf holds."""
    return 1 if bench.rule.boosting or bench.shards.classes < 3 else bench.shards.classes


def link(bench: Bench) -> str:
    """Return what turns raw scores into outputs (see models/forest.py)."""
    classes = bench.shards.classes
    if bench.rule.boosting:
        return "identity" if not classes else "logistic" if classes == 2 else "softmax"
    return "share" if classes == 2 else "identity"


def model_arrays(bench: Bench, trees: Trees, base: np.ndarray) -> dict[str, np.ndarray]:
    """Return the arrays of ``model.h5``."""
    factor = np.array([1.0 if bench.rule.boosting else 1 / max(trees.count, 1)])
    return {**stored(trees), "edges": bench.edges, "base": base, "factor": factor}


def stored(trees: Trees) -> dict[str, np.ndarray]:
    """Return the trees' arrays by name."""
    return dict(vars(trees))


def restore(arrays: dict[str, np.ndarray]) -> Trees:
    """Return the trees that `stored` gave."""
    return Trees(*(arrays[name] for name in ("node", "gain", "value", "starts")))


def attrs(bench: Bench) -> dict[str, Any]:
    """Return what prediction needs beside the arrays."""
    shards = bench.shards
    names = list(shards.table.classes) or [str(c) for c in range(shards.classes)]
    task = "classification" if shards.classes else "regression"
    d = shards.table.features
    return {"features": d, "outputs": shards.classes or 1, "task": task, "classes": names, "link": link(bench)}


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
            return (outputs.argmax(1) == y).astype(float) if shards.classes else -((outputs[:, 0] - y) ** 2)

        arrays["permutation_importance"] = importance.permutation(score, bench.tested, rule.permutations, seed, comm)
