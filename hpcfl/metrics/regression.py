"""Metrics of predicted values: RMSE, MAE and R2, from exact sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hpcfl.metrics.exact import ExactSum, product

if TYPE_CHECKING:
    from hpcfl.comm.communicator import Comm


class Regression:
    """Accumulator for values.

    R2 needs the spread of the targets, sum w y^2 - (sum w y)^2 / sum w. As the three sums are
    exact, and so is their difference, nothing cancels, and no mean need be known beforehand.
    """

    def __init__(self) -> None:
        self.errors = ExactSum(2)
        self.moments = ExactSum(3)

    def add(self, outputs: np.ndarray, y: np.ndarray, weight: np.ndarray) -> None:
        """Take in a block of rows (local): outputs (n, 1), y (n,), weight (n,)."""
        y, weight = y.astype(np.float64), weight.astype(np.float64)
        error = np.abs(outputs[:, 0].astype(np.float64) - y)
        with np.errstate(over="ignore"):
            self.errors.add(weight * error, 0)
            self.errors.add(weight * error**2, 1)
        self.moments.add(weight, 0)
        for part in product(weight, y):
            self.moments.add(part, 1)
            for piece in product(part, y):
                self.moments.add(piece, 2)

    def result(self, comm: Comm) -> dict[str, Any]:
        """Return rmse, mae and r2 over the rows of all ranks (collective).

        Constant targets give r2 = 1 if all predictions are right, otherwise 0.
        """
        absolute, squared = (float(v) for v in self.errors.totals(comm))
        total, first, second = self.moments.fractions(comm)
        if not total:
            return dict.fromkeys(("rmse", "mae", "r2"), float("nan"))
        spread = float(second - first * first / total)
        r2 = 1 - squared / spread if spread else float(squared == 0)
        return {"rmse": (squared / float(total)) ** 0.5, "mae": absolute / float(total), "r2": r2}
