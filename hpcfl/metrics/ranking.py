"""The area under the ROC curve, exact, ties included, without any rank seeing all scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hpcfl.metrics.exact import ExactSum

if TYPE_CHECKING:
    from hpcfl.comm.communicator import Comm


class Ranking:
    """Scores of rows of two classes, and the AUC of their order.

    Memory: 16 bytes for each local row; `auc` takes 24 bytes for each distinct local score and
    for each that is received in the distributed sort, which are at most 2 n / ranks + n / ranks^2
    of n over all ranks, and 8 * ranks^2 bytes of samples.
    """

    def __init__(self) -> None:
        self.scores = [np.empty(0)]
        self.weights = [np.empty(0)]

    def add(self, score: np.ndarray, positive: np.ndarray, weight: np.ndarray) -> None:
        """Take in rows: score (n,), whether positive (n,) bool, weight (n,)."""
        self.scores.append(score.astype(np.float64))
        self.weights.append(np.where(positive, weight, -weight.astype(np.float64)))

    def auc(self, total: float, comm: Comm) -> float:
        """Return the AUC (collective): NaN if a class is absent or a score is NaN.

        `total` is the weight of all rows. It sets the unit, total * 2^-60, in which weights
        are counted as integers, so that the bits depend on no rank.
        """
        score, weight = np.concatenate(self.scores), np.concatenate(self.weights)
        units = np.rint(np.ldexp(weight, 60 - int(np.frexp(total)[1]))).astype(np.int64)
        score, positive, negative = _merge(score, np.maximum(units, 0), np.maximum(-units, 0))
        sums = comm.sum(np.array([positive.sum(), negative.sum(), np.isnan(score).any()], np.int64), "auc")
        if not (sums[0] and sums[1]) or sums[2]:
            return float("nan")
        score, positive, negative = _exchange(score, positive, negative, comm)
        below = comm.before(int(negative.sum())) + np.cumsum(negative) - negative
        area = ExactSum()
        area.add(positive.astype(np.float64) * (2 * below + negative).astype(np.float64))
        return float(area.totals(comm)[0] / (2.0 * float(sums[0]) * float(sums[1])))


def _merge(score: np.ndarray, *columns: np.ndarray) -> list[np.ndarray]:
    """Return the distinct scores, sorted, and each column summed over equal scores."""
    distinct, index = np.unique(score, return_inverse=True)
    out = [np.zeros(len(distinct), np.int64) for _ in columns]
    for total, column in zip(out, columns, strict=True):
        np.add.at(total, index, column)
    return [distinct, *out]


def _exchange(score: np.ndarray, positive: np.ndarray, negative: np.ndarray, comm: Comm) -> list[np.ndarray]:
    """Sort over the ranks: rank r gets the r-th range of scores, and all that are equal.

    Sorting by regular sampling (Shi and Schaeffer 1992), one sample for every n / ranks^2 scores.
    """
    rows = int(comm.sum(np.array([len(score)], np.int64), "auc")[0])
    step = -(-rows // comm.size**2)
    samples = np.sort(comm.allgatherv(score[step - 1 :: step], "auc"))
    splitters = samples[[len(samples) * r // comm.size for r in range(1, comm.size)]]
    cuts = np.searchsorted(score, splitters)
    parts = [comm.alltoallv(np.split(v, cuts), "auc") for v in (score, positive, negative)]
    return _merge(*(np.concatenate(part) for part in parts))
