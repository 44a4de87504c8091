"""Metrics of class predictions, from one confusion matrix, one sum of losses and one ranking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hpcfl.errors import DataError
from hpcfl.metrics.exact import ExactSum
from hpcfl.metrics.ranking import Ranking

if TYPE_CHECKING:
    from hpcfl.comm.communicator import Comm


class Classification:
    """Accumulator for classes; see `hpcfl.metrics.accumulator` for the parameters.

    The class of a row is the one with the largest output, the lower one where two are equal.
    """

    def __init__(self, classes: int, probabilities: bool, ranked: bool) -> None:
        self.classes, self.probabilities = classes, probabilities
        self.cells = ExactSum(classes**2)
        self.loss = ExactSum() if probabilities else None
        self.ranking = Ranking() if ranked and classes == 2 else None

    def add(self, outputs: np.ndarray, y: np.ndarray, weight: np.ndarray) -> None:
        """Take in a block of rows (local).

        Raises
        ------
        DataError
            For a label that is none of the model's classes.
        """
        wrong = np.flatnonzero(~((y >= 0) & (y < self.classes)))
        if wrong.size:
            raise DataError(
                f"label {y[wrong[0]]:g}: the model knows 0 to {self.classes - 1}; give data with its classes"
            )
        y, weight = y.astype(np.int64), weight.astype(np.float64)
        self.cells.add(weight, y * self.classes + outputs.argmax(axis=1))
        if self.loss is not None:
            tiny = np.finfo(outputs.dtype).eps
            p = np.clip(outputs[np.arange(len(y)), y], tiny, 1 - tiny).astype(np.float64)
            self.loss.add(-np.log(p) * weight)
        if self.ranking is not None:
            score = outputs[:, 1] if self.probabilities else outputs[:, 1] - outputs[:, 0]
            self.ranking.add(score, y == 1, weight)

    def result(self, comm: Comm) -> dict[str, Any]:
        """Return the metrics over the rows of all ranks (collective)."""
        confusion = self.cells.totals(comm).reshape(self.classes, self.classes)
        total = float(confusion.sum())
        out: dict[str, Any] = by_confusion(confusion)
        if self.loss is not None:
            out["log_loss"] = ratio(self.loss.totals(comm)[0], total)
        if self.ranking is not None:
            out["auc"] = self.ranking.auc(total, comm)
        counts = bool((confusion == np.floor(confusion)).all())
        out["confusion"] = (confusion.astype(np.int64) if counts else confusion).tolist()
        return out


def by_confusion(confusion: np.ndarray) -> dict[str, float]:
    """Return what a confusion matrix (true, predicted) says.

    Balanced accuracy is the mean recall of the classes that have rows; macro F1 the mean of the
    classes that have rows or predictions.
    """
    hits, rows, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    return {
        "accuracy": ratio(hits.sum(), confusion.sum()),
        "balanced_accuracy": mean_ratio(hits, rows),
        "macro_f1": mean_ratio(2 * hits, rows + predicted),
    }


def mean_ratio(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean of a / b where b is above zero, NaN if it nowhere is."""
    there = b > 0
    return ratio((a[there] / b[there]).sum(), there.sum())


def ratio(a: float, b: float) -> float:
    """Return a / b, NaN if b is zero."""
    return float(a / b) if b else float("nan")
