"""Multilayer perceptron of any depth, for classification and regression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from hpcfl.kernels import network
from hpcfl.kernels.loss import SOFTMAX, SQUARED
from hpcfl.layout import Layout
from hpcfl.models import _network
from hpcfl.schema import key, not_negative


@dataclass(frozen=True)
class MLP:
    """Fully connected layers; softmax loss with classes, least squares without."""

    hidden: tuple[int, ...] = key((200, 200), "widths of the hidden layers")
    activation: Literal["relu", "tanh"] = key("relu", "between layers")
    l2: float = key(0.0, "weight of the penalty l2 / 2 * |w|^2, biases left out")

    task = ""
    probabilities = True

    def __post_init__(self) -> None:
        not_negative(self, "l2")
        if min(self.hidden, default=1) < 1:
            raise ValueError(f"hidden = {list(self.hidden)}: widths above 0 are needed")

    def outputs(self, classes: int) -> int:
        """Return the raw outputs per row for `classes` classes (0: regression)."""
        return classes or 1

    def layout(self, d: int, k: int) -> Layout:
        """Return the layers' weights w0 (in, out) and biases b0 (out,), w1, b1, ..."""
        widths = [d, *self.hidden, k]
        shapes: dict[str, tuple[int, ...]] = {}
        for i, (a, b) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
            shapes |= {f"w{i}": (a, b), f"b{i}": (b,)}
        return Layout(shapes)

    def spec(self, d: int, k: int) -> np.ndarray:
        """Return what the kernels need to know of the model, int64."""
        kind = SOFTMAX if k > 1 else SQUARED
        return _network.spec(kind, 0 if self.activation == "relu" else 1, [d, *self.hidden, k])

    def init(self, rng: np.random.Generator, views: dict[str, np.ndarray]) -> None:
        """Set the first parameters: He et al. 2015 for ReLU, Glorot and Bengio 2010 for tanh."""
        for name, view in views.items():
            if name.startswith("b"):
                view[:] = 0
            else:
                a, b = view.shape
                variance = 2 / a if self.activation == "relu" else 2 / (a + b)
                view[:] = rng.standard_normal(view.shape) * np.sqrt(variance)

    def work(self, d: int, k: int, rows: int) -> int:
        """Return the scratch elements for batches of `rows` rows."""
        return _network.work_size(self.spec(d, k), rows)

    def loss_grad(self, sparse: bool) -> Any:
        """Return the kernel that gives loss and gradient; dense rows only."""
        if sparse:
            raise ValueError("the mlp takes dense rows; use softmax or logistic, or convert to dense")
        return network.loss_grad

    def tree_grad(self, sparse: bool) -> Any:
        """Return the kernel that gives the gradient of many groups of rows in one call, or None."""
        return _network.tree_grad(sparse)

    def scores(self, sparse: bool) -> Any:
        """Return the kernel that gives raw outputs."""
        return _network.scores(sparse)

    def predictor(self, arrays: dict[str, np.ndarray], attrs: dict[str, Any]) -> Callable[[Any], np.ndarray]:
        """Return a function from rows to probabilities (n, classes) or values (n, 1)."""
        return _network.predictor(arrays, self.spec(int(attrs["features"]), int(attrs["outputs"])))
