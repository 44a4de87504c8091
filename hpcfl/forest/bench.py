"""What growing works on: this rank's rows as bins, the job's words for the trees, and the model's arrays."""

from __future__ import annotations

import os
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from hpcfl.comm.communicator import Comm, alone
from hpcfl.config import Job
from hpcfl.data import shard
from hpcfl.data.categories import kinds_of
from hpcfl.data.shard import Shards
from hpcfl.errors import DataError, UsageError
from hpcfl.forest import binning, boost, over_rows, over_trees
from hpcfl.forest.judge import Judge
from hpcfl.forest.plan import Plan
from hpcfl.forest.target import Target
from hpcfl.forest.trees import Trees
from hpcfl.kernels import forest_predict
from hpcfl.models.forest import Forest

MOST = 1 << 21  # features that a packed node can name


@dataclass(frozen=True)
class Bench:
    """What the growing works on; the training rows themselves are gone.

    Attributes
    ----------
    rule : Forest
    codes : (n, d) uint8
        This rank's training rows as bins, each row contiguous.
    y, weight : (n,) float64
    first : int
        Number of the first of them among all training rows.
    edges : (d, 254) float
        Upper edges of the bins.
    plan : Plan
    classes, total, test_total : int
        Classes (0: regression), training and test rows of all ranks.
    test_x, test_y : (m, d) array or CSR, (m, 2) float
        This rank's test rows.
    attrs : dict
        What prediction needs beside the arrays.
    files : tuple of str
        The data files.
    """

    rule: Forest
    codes: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    first: int
    edges: np.ndarray
    plan: Plan
    classes: int
    total: int
    test_total: int
    test_x: binning.Rows
    test_y: np.ndarray
    attrs: dict[str, Any]
    files: tuple[str, ...]

    @property
    def federated(self) -> bool:
        """Whether rows, and what is known of them, stay on their ranks."""
        return self.rule.distribute == "federated"

    @property
    def width(self) -> int:
        """Numbers of a leaf."""
        return 1 if self.rule.boosting or self.classes < 3 else self.classes

    @property
    def outputs(self) -> int:
        """Raw scores of a row."""
        return self.classes if self.classes > 2 else 1


def prepare(job: Job, comm: Comm) -> tuple[Bench, float]:
    """Read this rank's rows and bin them; also return the seconds that binning took (collective)."""
    rule = job.model.rule
    with comm.together("reading the job file"):
        if not isinstance(rule, Forest):
            raise UsageError("train.mode = 'forest' needs model.name = 'forest'")
    shards = shard.load(job.data, job.seed, job.model.dtype, comm, codes=True)
    d, kinds = shards.table.features, kinds_of(shards.table)
    with comm.together("reading the data"):
        if d >= MOST:
            raise DataError(f"{shards.table.files[0]}: {d} features, a forest takes fewer than {MOST}")
        if shards.classes == 1:
            raise DataError(f"{shards.table.files[0]}: all rows are of one class; a forest needs two to tell apart")
    with comm.node_first("compiling kernels"):
        warm(rule, shards, kinds)
    comm.barrier()
    start = perf_counter()
    first = 0 if rule.distribute == "federated" else int(shards.plan.cuts[comm.rank])
    some = alone() if rule.distribute == "federated" else comm
    edges = binning.with_categories(binning.edges(shards.train.x, d, first, some, job.seed), kinds)
    with comm.together("binning"):
        codes = binning.codes(shards.train.x, edges)
    spent = perf_counter() - start
    depth = rule.max_depth or (6 if rule.boosting else 0)
    plan = Plan(
        job.seed, depth, rule.features(d, shards.classes), rule.min_samples_leaf,
        rule.bootstrap and not rule.boosting, rule.random_thresholds, kinds, rule.l2,
    )  # fmt: skip
    weight = class_weights(rule, shards, comm)
    return Bench(
        rule, codes, shards.train.y[:, 0].astype(np.float64), weight, first, edges, plan, shards.classes,
        shards.total, shards.test_total, shards.test.x, shards.test.y, attrs(rule, shards), shards.table.files,
    ), spent  # fmt: skip


def class_weights(rule: Forest, shards: Shards, comm: Comm) -> np.ndarray:
    """Return the weight of each of this rank's rows, float64 (collective)."""
    y, weight = shards.train.y[:, 0], shards.train.y[:, 1].astype(np.float64)
    if rule.class_weight == "one" or not shards.classes:
        return weight
    count = comm.sum(np.bincount(y.astype(np.int64), minlength=shards.classes), "class counts")
    return np.asarray(weight * (shards.total / (shards.classes * np.maximum(count, 1)))[y.astype(np.int64)])


def warm(rule: Forest, shards: Shards, kinds: np.ndarray) -> None:
    """Compile what growing needs, on a few made-up rows."""
    rows = np.zeros((4, shards.table.features), np.float32)
    edges = np.zeros((shards.table.features, binning.EDGES), rows.dtype)
    edges[:, 1:] = np.inf
    codes = binning.codes(rows, edges)
    classes = shards.classes if shards.classes > 2 and not rule.boosting else 1
    goal = Target(np.array([1, 1, 1, 1]), classes)
    plan = Plan(0, 0, rule.features(rows.shape[1], shards.classes), 1, True, False, kinds)
    tree = over_trees.grow(np.asfortranarray(codes), goal, plan, np.arange(1))
    forest_predict.leaves(tree.packed(), tree.sets, codes, np.arange(4, dtype=np.uint32), np.empty(4, np.uint32))
    boost.add(tree, codes, np.zeros((4, tree.value.shape[1])))
    if rule.boosting or rule.distribute in ("auto", "rows"):
        over_rows.warm(codes, goal, plan)
    if rule.boosting:
        boost.warm(codes, plan, shards.classes)


def fits(bench: Bench, comm: Comm) -> bool:
    """Return whether the bins of all rows go to every rank (collective)."""
    if bench.rule.distribute != "auto":
        return bench.rule.distribute == "trees"
    need = bench.total * (bench.codes.shape[1] + 48) * comm.node.size
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
    return comm.max(float(need > free), "memory") == 0


def link(rule: Forest, classes: int) -> str:
    """Return what turns raw scores into outputs (see models/forest.py)."""
    if rule.boosting:
        return "identity" if not classes else "logistic" if classes == 2 else "softmax"
    return "share" if classes == 2 else "identity"


def attrs(rule: Forest, shards: Shards) -> dict[str, Any]:
    """Return what prediction needs beside the arrays."""
    table = shards.table
    return {
        "features": table.features, "outputs": shards.classes or 1, "classes": list(shards.names),
        "task": "classification" if shards.classes else "regression", "link": link(rule, shards.classes),
        "feature_names": list(table.attrs.get("feature_names", ())), "categorical": table.attrs.get("categorical", {}),
    }  # fmt: skip


def judge(bench: Bench, edges: np.ndarray) -> Judge:
    """Return what measures trees over the tables of `edges` (tables, d, 254) on this rank's test rows (local)."""
    codes = [binning.codes(bench.test_x, table) for table in edges]
    return Judge(codes, bench.test_y, bench.outputs, bench.attrs["task"], bench.attrs["link"], not bench.federated)


def stored(trees: Trees) -> dict[str, np.ndarray]:
    """Return the trees' arrays by name."""
    return dict(vars(trees))


def restore(arrays: dict[str, np.ndarray]) -> Trees:
    """Return the trees that `stored` gave."""
    return Trees(*(arrays[name] for name in ("node", "gain", "value", "sets", "starts")))
