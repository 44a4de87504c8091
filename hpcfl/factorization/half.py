"""Half an iteration of alternating least squares, for the rows of one rank."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpcfl.factorization.ratings import Side
from hpcfl.kernels import als, implicit


class Half:
    """Solves rows from the other side's table.

    Parameters
    ----------
    rule : ALS or FederatedMF
    side : Side
        The rows' ratings, its index into the table.
    mean : float
    dtype : dtype
    """

    def __init__(self, rule: Any, side: Side, mean: float, dtype: np.typing.DTypeLike) -> None:
        self.ratings = (side.indptr, side.indices, side.rating.astype(dtype))
        self.implicit, self.cg = rule.implicit, rule.implicit and rule.solver == "cg"
        last = (rule.alpha, rule.cg_steps) if rule.implicit else (rule.biases, mean)
        self.hyper = np.array([rule.regularization, rule.scale_by_count, *last], np.float64)

    def __call__(self, table: np.ndarray, gram: Any, out: np.ndarray) -> None:
        """Write the rows' factors and biases into `out` (n, rank + 1).

        Parameters
        ----------
        table : (m, rank + 1) float
            The other side's rows.
        gram : (rank, rank) float or None
            Their Gram matrix (implicit ratings).
        """
        if self.cg:
            implicit.conjugate(*self.ratings, table, gram, self.hyper, out)
        elif self.implicit:
            implicit.cholesky(*self.ratings, table, gram, self.hyper, out)
        else:
            als.explicit(*self.ratings, table, self.hyper, out)

    def warm(self, table: np.ndarray, out: np.ndarray) -> None:
        """Compile the kernel by solving no rows."""
        k = out.shape[1] - 1
        ratings, self.ratings = self.ratings, (self.ratings[0][:1], *self.ratings[1:])
        self(table, np.zeros((k, k), out.dtype), out[:0])
        self.ratings = ratings
