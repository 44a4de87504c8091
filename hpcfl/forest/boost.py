"""Gradient boosting (Friedman 2001), with second-order leaves (Chen & Guestrin 2016), over rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from hpcfl.comm.communicator import Comm, alone
from hpcfl.data.split import row_hashes
from hpcfl.errors import DataError
from hpcfl.forest import over_rows, target
from hpcfl.forest.plan import Plan
from hpcfl.forest.trees import Trees
from hpcfl.kernels import forest_loss, forest_predict
from hpcfl.seeding import key


@dataclass(frozen=True)
class Problem:
    """What is boosted: some of this rank's rows, and how they count.

    Attributes
    ----------
    codes : (n, d) uint8
    y, weight : (n,) float64
    classes : int
        0 is squared loss, 2 logistic, more softmax.
    rows : int
        Rows of all ranks.
    """

    codes: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    classes: int
    rows: int

    @property
    def outputs(self) -> int:
        """Trees of a round."""
        return self.classes if self.classes > 2 else 1

    def part(self, chosen: np.ndarray, comm: Comm) -> Problem:
        """Return the rows that `chosen` (n,) bool marks (collective)."""
        rows = int(comm.sum(np.array([chosen.sum()], np.int64), "split")[0])
        return replace(self, codes=self.codes[chosen], y=self.y[chosen], weight=self.weight[chosen], rows=rows)


def hold_out(problem: Problem, first: int, share: float, seed: int, comm: Comm) -> tuple[Problem, Problem]:
    """Return the rows to boost and about a `share` of them to validate on, drawn by hash (collective).

    `first` is the number of this rank's first row among all training rows.
    """
    hashes = row_hashes(key(seed, "validation"), first, first + len(problem.y))
    held = hashes < np.uint64(int(share * 2**64))
    parts = problem.part(~held, comm), problem.part(held, comm)
    with comm.together("holding out rows"):
        if not all(part.rows for part in parts):
            raise DataError(f"{problem.rows} rows are too few to hold out a share of {share}; set model.patience = 0")
    return parts


def base(problem: Problem, comm: Comm) -> np.ndarray:
    """Return the scores that no tree has touched: the mean, the log odds, the log shares (collective)."""
    if problem.classes == 0:
        sums = exact_sum(np.stack([problem.y * problem.weight, problem.weight], 1), comm)
        return np.array([sums[0] / sums[1]])
    member = problem.y[:, None] == np.arange(problem.classes)
    share = np.maximum(exact_sum(member * problem.weight[:, None], comm), 1e-12)
    return np.asarray(np.log(share[1:] / share[0]) if problem.classes == 2 else np.log(share / share.sum()))


def rounds(
    problem: Problem, score: np.ndarray, plan: Plan, rate: float, comm: Comm, number: int = 0
) -> Iterator[Trees]:
    """Yield the trees of one round after the other, without end (collective).

    `score` (n, outputs) are the raw scores of this rank's rows; each round adds to them. `number` is
    that of the first tree.
    """
    g, h, high = np.empty_like(score), np.empty_like(score), np.empty(2)
    while True:
        forest_loss.gradients(problem.y, problem.weight, score, problem.classes, g, h, high)
        goal = target.of_gradients(g, h, high, problem.rows, comm)
        goal = replace(goal, scale=goal.scale * rate)
        grown = over_rows.grow(problem.codes, 0, goal, plan, range(number, number + problem.outputs), comm, 0)
        add(grown, problem.codes, score)
        yield grown
        number += problem.outputs


def add(trees: Trees, codes: np.ndarray, score: np.ndarray) -> None:
    """Add the values of whole rounds of trees to the raw scores of the rows `codes` (local)."""
    forest_predict.predict(trees.packed(), trees.sets, trees.starts, trees.value, codes, score)


def loss(problem: Problem, score: np.ndarray, comm: Comm) -> float:
    """Return the mean loss over the rows of all ranks, from their raw scores (collective)."""
    each = np.empty(len(problem.y))
    forest_loss.losses(problem.y, problem.weight, score, problem.classes, each)
    sums = exact_sum(np.stack([each, problem.weight], 1), comm)
    return float(sums[0] / sums[1]) if sums[1] else 0.0


def exact_sum(values: np.ndarray, comm: Comm) -> np.ndarray:
    """Return the column sums of (n, k) over all ranks, the same bits however rows are dealt (collective)."""
    high = comm.max(float(np.abs(values).max(initial=0)), "range")
    scale = 2.0 ** (61 - np.frexp(max(high, 1e-300))[1] - 33)
    whole = np.rint(values * scale).astype(np.int64).sum(0)
    return np.asarray(comm.sum(whole, "sums") / scale)


def warm(codes: np.ndarray, plan: Plan, classes: int) -> None:
    """Compile the kernels of boosting, on the few rows given (local)."""
    y = np.arange(len(codes)) % 2.0
    problem = Problem(codes, y, np.ones(len(codes)), classes, len(codes))
    score = np.zeros((len(codes), problem.outputs))
    next(rounds(problem, score, plan, 0.1, alone()))
    loss(problem, score, alone())
