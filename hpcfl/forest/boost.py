"""Gradient boosting (Friedman 2001), with second-order leaves (Chen & Guestrin 2016), over rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.forest import over_rows, target
from hpcfl.forest.plan import Plan
from hpcfl.forest.trees import Trees, join
from hpcfl.kernels import forest_rows


@dataclass(frozen=True)
class Problem:
    """What is boosted: this rank's rows, and how they count.

    Attributes
    ----------
    codes : (n, d) uint8
    y, weight : (n,) float
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
) -> Iterator[tuple[Trees, float]]:
    """Yield the trees of one round after the other, and the loss before it, without end (collective).

    `score` (n, outputs) are the raw scores of this rank's rows; each round adds to them. `number` is
    that of the first tree.
    """
    everyone = np.arange(len(problem.y), dtype=np.int32)
    leaf = np.empty(everyone.size, np.int64)
    while True:
        g, h, losses = gradients(problem, score)
        loss = float(exact_sum(np.stack([losses, problem.weight], 1), comm) @ [1, 0])
        total = float(exact_sum(problem.weight[:, None], comm)[0])
        grown = []
        for k in range(problem.outputs):
            goal = target.of_gradients(g[:, k], h[:, k], problem.rows, comm)
            goal = replace(goal, scale=goal.scale * rate)
            tree = over_rows.grow(problem.codes, 0, goal, plan, range(number, number + 1), comm, 0)
            forest_rows.leaves(tree.packed(), problem.codes, everyone, leaf)
            score[:, k] += tree.value[leaf, 0]
            grown.append(tree)
            number += 1
        yield join(grown), loss / total


def gradients(problem: Problem, score: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return negative gradients and hessians (n, outputs), and losses (n,), all times the weight."""
    y, w = problem.y[:, None], problem.weight[:, None]
    if problem.classes == 0:
        return w * (y - score), w * np.ones_like(score), (w * (y - score) ** 2)[:, 0] / 2
    if problem.classes == 2:
        p = 1 / (1 + np.exp(-score))
        loss = np.logaddexp(0, np.where(y > 0, -score, score))
        return w * (y - p), w * p * (1 - p), (w * loss)[:, 0]
    p = np.exp(score - score.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    member = y == np.arange(problem.classes)
    return w * (member - p), w * p * (1 - p), -problem.weight * np.log(np.maximum(p[member], 1e-300))


def exact_sum(values: np.ndarray, comm: Comm) -> np.ndarray:
    """Return the column sums of (n, k) over all ranks, the same bits however rows are dealt (collective)."""
    high = comm.max(float(np.abs(values).max(initial=0)), "range")

    scale = 2.0 ** (61 - np.frexp(max(high, 1e-300))[1] - 33)
    whole = np.rint(values * scale).astype(np.int64).sum(0)
    return np.asarray(comm.sum(whole, "sums") / scale)
