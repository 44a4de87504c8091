"""What growing works on: this rank's rows as bins, the job's words for the trees, and the model's arrays."""

from __future__ import annotations

import os
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.config import Job
from hpcfl.data import shard
from hpcfl.data.shard import Shards
from hpcfl.errors import UsageError
from hpcfl.forest import binning, boost, federated, over_rows, over_trees
from hpcfl.forest.plan import Plan
from hpcfl.forest.target import Target
from hpcfl.forest.trees import Trees
from hpcfl.kernels import forest_rows
from hpcfl.models.forest import Forest


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
    comm.barrier()
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
    plan = Plan(0, 0, 1, 1, True, False)
    tree = over_trees.grow(codes, goal, plan, np.arange(1))
    forest_rows.leaves(tree.packed(), codes, np.arange(4, dtype=np.int32), np.empty(4, np.int64))
    if rule.boosting or rule.distribute in ("auto", "rows"):
        over_rows.warm(codes, goal, plan)


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


def values_of(bench: Bench) -> int:
    """Return how many numbers a leaf holds."""
    return 1 if bench.rule.boosting or bench.shards.classes < 3 else bench.shards.classes


def link(bench: Bench) -> str:
    """Return what turns raw scores into outputs (see models/forest.py)."""
    classes = bench.shards.classes
    if bench.rule.boosting:
        return "identity" if not classes else "logistic" if classes == 2 else "softmax"
    return "share" if classes == 2 else "identity"


def attrs(bench: Bench) -> dict[str, Any]:
    """Return what prediction needs beside the arrays."""
    shards = bench.shards
    names = list(shards.table.classes) or [str(c) for c in range(shards.classes)]
    task = "classification" if shards.classes else "regression"
    d = shards.table.features
    return {"features": d, "outputs": shards.classes or 1, "task": task, "classes": names, "link": link(bench)}


def stored(trees: Trees) -> dict[str, np.ndarray]:
    """Return the trees' arrays by name."""
    return dict(vars(trees))


def restore(arrays: dict[str, np.ndarray]) -> Trees:
    """Return the trees that `stored` gave."""
    return Trees(*(arrays[name] for name in ("node", "gain", "value", "starts")))


def model_arrays(bench: Bench, trees: Trees, base: np.ndarray) -> dict[str, np.ndarray]:
    """Return the arrays of ``model.h5``."""
    factor = np.array([1.0 if bench.rule.boosting else 1 / max(trees.count, 1)])
    return {**stored(trees), "edges": bench.edges, "base": base, "factor": factor}
