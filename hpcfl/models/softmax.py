"""Multinomial logistic regression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcfl.kernels import softmax
from hpcfl.kernels import sparse as csr
from hpcfl.kernels.loss import SOFTMAX
from hpcfl.layout import Layout
from hpcfl.models import _network
from hpcfl.schema import key, not_negative


@dataclass(frozen=True)
class Softmax:
    """Minus the log of the label's softmax probability, the mean over rows."""

    l2: float = key(0.0, "weight of the penalty l2 / 2 * |w|^2, biases left out")

    task = "classification"
    probabilities = True

    def __post_init__(self) -> None:
        not_negative(self, "l2")

    def outputs(self, classes: int) -> int:
        """Return the raw outputs per row for `classes` classes (0: regression)."""
        return classes

    def layout(self, d: int, k: int) -> Layout:
        """Return the names and shapes of the parameters for d features and k outputs."""
        return _network.linear_layout(d, k)

    def spec(self, d: int, k: int) -> np.ndarray:
        """Return what the kernels need to know of the model, int64."""
        return _network.spec(SOFTMAX, 0, [d, k])

    def init(self, rng: np.random.Generator, views: dict[str, np.ndarray]) -> None:
        """Set the first parameters: zeros, from which a convex loss needs no luck."""
        for view in views.values():
            view[:] = 0

    def work(self, d: int, k: int, rows: int) -> int:
        """Return the scratch elements for batches of `rows` rows."""
        return softmax.work_size(self.spec(d, k), rows)

    def loss_grad(self, sparse: bool) -> Any:
        """Return the kernel that gives loss and gradient."""
        return csr.loss_grad if sparse else softmax.loss_grad

    def tree_grad(self, sparse: bool) -> Any:
        """Return the kernel that gives the gradient of many groups of rows in one call, or None."""
        return _network.tree_grad(sparse)

    def scores(self, sparse: bool) -> Any:
        """Return the kernel that gives raw outputs."""
        return _network.scores(sparse)

    def predictor(self, arrays: dict[str, np.ndarray], attrs: dict[str, Any]) -> Callable[[Any], np.ndarray]:
        """Return a function from rows to probabilities (n, classes)."""
        return _network.predictor(arrays, self.spec(int(attrs["features"]), int(attrs["outputs"])))
