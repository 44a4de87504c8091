"""Forests: rows to bins, trees grown over trees, over rows or on each rank's own rows, or boosted."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np

from hpcfl.comm.communicator import Comm, alone
from hpcfl.config import Job
from hpcfl.data.checkpoint import Loaded
from hpcfl.forest import binning, boost, federated, over_rows, over_trees
from hpcfl.forest.bench import Bench, fits, judge, prepare, restore, stored
from hpcfl.forest.judge import Judge
from hpcfl.forest.pages import give_back
from hpcfl.forest.patience import Patience
from hpcfl.forest.plan import Plan
from hpcfl.forest.report import importances, out_of_bag
from hpcfl.forest.target import Target, of_classes, of_values
from hpcfl.forest.trees import Grove, Trees, empty, gather
from hpcfl.trainers.evaluation import scalars
from hpcfl.trainers.keeper import Keeper
from hpcfl.trainers.outcome import Outcome

RECORDS = 4  # records that the trees of a forest are grown in


@dataclass(frozen=True)
class Step:
    """Where the growing stands.

    Attributes
    ----------
    trees : Grove
    edges : (tables, d, 254) float
        Tables of edges; trees ``runs[i]`` to ``runs[i + 1] - 1`` split at those of table i.
    done : int
        Trees, or rounds of them.
    last : bool
    record : dict
        What the log's line says of it.
    state : dict of arrays
        What a checkpoint holds beside the trees.
    grown : Grove or None
        The trees that it holds, if there are more of them.
    """

    trees: Grove
    edges: np.ndarray
    runs: np.ndarray
    done: int
    last: bool
    record: dict[str, Any] = field(default_factory=dict)
    state: dict[str, np.ndarray] = field(default_factory=dict)
    grown: Grove | None = None


def epochs(job: Job, comm: Comm, keeper: Keeper) -> Generator[dict[str, Any], None, Outcome]:
    """Grow a forest, some trees a record (boosting: one round) (collective)."""
    if not getattr(job.model.rule, "boosting", False):  # its arrays return each round, its trees are small
        give_back()
    bench, seconds = prepare(job, comm)
    loaded = keeper.load(bench.files)
    base, steps, factor = np.zeros(bench.outputs), bagging(bench, loaded, comm), 1 / bench.rule.trees
    if bench.rule.boosting:
        base = boost.base(problem(bench), comm)
        steps, factor = boosting(bench, base, job, loaded, comm), 1.0
    judging: Judge | None = None
    record: dict[str, Any] = {}
    start = perf_counter()
    for step in steps:
        spent = perf_counter() - start
        seconds += spent
        record = {"trees": step.done, **step.record, "seconds": spent}
        due = step.last or not bench.rule.boosting or step.done % job.evaluate.every == 0
        if bench.test_total and due:
            judging = judging or judge(bench, step.edges)
            shown = factor if bench.rule.boosting else 1 / step.trees.count
            result = judging.test(step.trees, step.runs, base, shown, comm)
            record["test"] = result if step.last else scalars(result)
        yield record
        if comm.max(float(keeper.asks(rounds=step.done)), "stop") or step.last:
            keeper.keep({"trees": step.done}, stored((step.grown or step.trees).whole()) | step.state, last=step.last)
        start = perf_counter()
    if not record:
        step = finished(bench, loaded, comm)
        record = {"trees": step.done}
        if bench.test_total:
            judging = judge(bench, step.edges)
            record["test"] = judging.test(step.trees, step.runs, base, factor, comm)
    trees = step.trees.whole()
    arrays = {**stored(trees), "edges": step.edges, "runs": step.runs, "base": base, "factor": np.array([factor])}
    arrays |= importances(bench, trees, judging, arrays, job.seed, comm)
    summary = {
        "rows": bench.total,
        "test_rows": bench.test_total,
        "rounds": step.done,
        "train_seconds": seconds,
        "samples_per_second": bench.total * step.done / seconds if seconds else 0.0,
        "nodes": int(trees.starts[-1]),
        "final": {name: record[name] for name in ("train_loss", "validation_loss", "test") if name in record},
        **out_of_bag(bench, trees, step.runs, comm),
    }
    return Outcome(arrays, bench.attrs, summary)


def finished(bench: Bench, loaded: Loaded | None, comm: Comm) -> Step:
    """Return the last step of a run that goes on when all its trees are grown (collective)."""
    if bench.federated or loaded is None:
        return next(bagging(bench, None, comm))  # bins of the rows were never stored
    trees, outputs = restore(loaded.shared), bench.outputs if bench.rule.boosting else 1
    if bench.rule.patience:
        trees = trees.part(0, Patience(bench.rule.patience, loaded.shared["losses"]).best * outputs)
    return Step(Grove([trees]), bench.edges[None], np.array([0, trees.count]), trees.count // outputs, True)


def target(bench: Bench, comm: Comm) -> Target:
    """Return what this rank's rows add to the histograms of a forest (collective)."""
    if bench.classes:
        return of_classes(bench.y, bench.weight, max(bench.classes, 2), comm)
    return of_values(bench.y, bench.weight, bench.total, comm)


def bagging(bench: Bench, loaded: Loaded | None, comm: Comm) -> Iterator[Step]:
    """Yield the forest as it grows, from the trees of a checkpoint (collective)."""
    rule, plan = bench.rule, bench.plan
    trees = Grove([restore(loaded.shared) if loaded else empty(bench.width, plan.words)])
    if bench.federated and loaded:
        return
    if bench.federated:
        runs = federated.deal(len(bench.codes), rule.trees, comm)
        grown, edges = federated.grow(bench.codes, bench.edges, target(bench, alone()), plan, runs, comm)
        yield Step(Grove([grown]), edges, runs, rule.trees, True)
        return
    goal, whole = target(bench, comm), fits(bench, comm)
    if whole:
        every = binning.share(bench.codes, comm)
        goal = replace(goal, unit=comm.allgatherv(goal.unit, "targets"))
    size = -(-rule.trees // (RECORDS * comm.size)) * comm.size
    for a in range(trees.count, rule.trees, size):
        numbers = range(a, min(a + size, rule.trees))
        if whole:
            grown = dealt(every, goal, plan, numbers, comm)
        else:
            grown = over_rows.grow(bench.codes, bench.first, goal, plan, numbers, comm, rule.ship_rows)
        trees.parts.append(grown)
        del grown  # so that `trees` alone holds it
        yield Step(trees, bench.edges[None], np.array([0, trees.count]), trees.count, trees.count == rule.trees)


def dealt(codes: np.ndarray, goal: Target, plan: Plan, numbers: range, comm: Comm) -> Trees:
    """Return the trees `numbers`, of which each rank grows a run (collective); arguments as `over_trees.grow`."""
    mine = np.array_split(np.array(numbers, np.int64), comm.size)[comm.rank]
    with comm.together("growing trees"):
        own = over_trees.grow(codes, goal, plan, mine)
    return gather(own, comm)


def problem(bench: Bench) -> boost.Problem:
    """Return what is boosted."""
    return boost.Problem(bench.codes, bench.y, bench.weight, bench.classes, bench.total)


def boosting(bench: Bench, base: np.ndarray, job: Job, loaded: Loaded | None, comm: Comm) -> Iterator[Step]:
    """Yield the trees after each round, from those of a checkpoint (collective).

    With `patience` some rows are held out; the last step has the trees of the best round and no later ones.
    """
    rule, p, held = bench.rule, problem(bench), None
    first = restore(loaded.shared) if loaded else empty(1, bench.plan.words)
    trees = Grove([first])
    if rule.patience:
        p, held = boost.hold_out(p, bench.first, rule.validation, job.seed, comm)
    patience = Patience(rule.patience, loaded.shared["losses"] if loaded else np.empty(0))
    parts = [p] if held is None else [p, held]
    scores = [np.tile(base, (len(q.y), 1)) for q in parts]
    for q, score in zip(parts, scores, strict=True):
        boost.add(first, q.codes, score)
    grower = boost.rounds(p, scores[0], bench.plan, rule.learning_rate, comm, trees.count)
    for done in range(trees.count // p.outputs + 1, rule.trees + 1):
        if patience.over:
            return
        grown = next(grower)
        trees.parts.append(grown)
        record = {}
        if done % job.evaluate.every == 0 or done == rule.trees:
            record["train_loss"] = boost.loss(p, scores[0], comm)
        if held is not None:
            boost.add(grown, held.codes, scores[1])
            patience.add(boost.loss(held, scores[1], comm))
            record["validation_loss"] = float(patience.losses[-1])
        last = done == rule.trees or patience.over
        shown, kept = done, trees
        if last and held is not None:
            shown, kept = patience.best, Grove([trees.whole().part(0, patience.best * p.outputs)])
            record["validation_loss"] = float(patience.losses[shown - 1])
        runs, state = np.array([0, kept.count]), {"losses": patience.losses}
        yield Step(kept, bench.edges[None], runs, shown, last, record, state, trees)
