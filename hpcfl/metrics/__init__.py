"""How good outputs are: metrics over the rows of all ranks, the same bits on any number of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hpcfl.metrics.classification import Classification
from hpcfl.metrics.regression import Regression

if TYPE_CHECKING:
    from hpcfl.comm.communicator import Comm

__all__ = ["Accumulator", "accumulator", "evaluate"]


class Accumulator(Protocol):
    """Metrics of rows that come block by block."""

    def add(self, outputs: np.ndarray, y: np.ndarray, weight: np.ndarray) -> None:
        """Take in a block of rows (local): outputs (n, k), targets (n,), weights (n,)."""

    def result(self, comm: Comm) -> dict[str, Any]:
        """Return the metrics over the rows of all ranks (collective)."""


def accumulator(task: str, classes: int, probabilities: bool = True, ranked: bool = True) -> Accumulator:
    """Return an empty accumulator.

    Parameters
    ----------
    task : {"classification", "regression"}
    classes : int
        Number of classes (not used for regression).
    probabilities : bool
        Whether outputs are class probabilities; a model whose outputs are only scores has no
        log loss.
    ranked : bool
        Whether to give the AUC, for which ranks exchange the scores and labels of their rows
        (without features). False where nothing about a single row may leave its rank.
    """
    return Classification(classes, probabilities, ranked) if task == "classification" else Regression()


def evaluate(
    outputs: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    task: str,
    comm: Comm,
    probabilities: bool = True,
    ranked: bool = True,
) -> dict[str, Any]:
    """Return the metrics of rows that are spread over the ranks (collective).

    Parameters
    ----------
    outputs : (n, k) float
        This rank's rows as a model's predictor gives them: class probabilities or scores
        (n, classes), or values (n, 1) for regression. n may be 0, k is the same everywhere.
    y : (n,) int or float
        Class labels 0..k-1, or target values.
    weight : (n,) float
        Weight of each row, not negative.
    task, probabilities, ranked
        See `accumulator`.

    Returns
    -------
    dict
        accuracy, balanced_accuracy, macro_f1, log_loss, auc (binary), confusion; or rmse, mae,
        r2. NaN where a metric is not defined, as the AUC of a single class.
    """
    found = accumulator(task, outputs.shape[1], probabilities, ranked)
    found.add(outputs, y, weight)
    return found.result(comm)
