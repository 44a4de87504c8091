"""Convolutional network for images: McMahan et al. 2017, LeNet-5 (LeCun et al. 1998), or your own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt
from typing import Any, Literal

import numpy as np

from hpcfl.errors import UsageError
from hpcfl.kernels import cnn
from hpcfl.kernels.loss import SOFTMAX, SQUARED
from hpcfl.layout import Layout
from hpcfl.models import _layers, _network
from hpcfl.schema import key, not_negative


@dataclass(frozen=True)
class CNN:
    """Convolutions and max-pooling, then fully connected layers; softmax loss with classes, least squares without."""

    layers: tuple[str, ...] = key(
        ("mcmahan",),
        "'conv CHANNELS SIZE' ('same' behind it: padded), 'pool SIZE', 'dense WIDTH'; or 'mcmahan', 'lenet5'",
    )
    image: tuple[int, ...] = key((), "[height, width, channels] of a row; left out: a square of one channel")
    activation: Literal["relu", "tanh"] = key("relu", "behind each layer and its pooling")
    l2: float = key(0.0, "weight of the penalty l2 / 2 * |w|^2, biases left out")

    task = ""
    probabilities = True
    columns = 784  # of a row that the defaults fit

    def __post_init__(self) -> None:
        not_negative(self, "l2")
        if self.image and (len(self.image) != 3 or min(self.image) < 1):
            raise ValueError(f"image = {list(self.image)}: [height, width, channels] is needed")
        _layers.expand(self.layers)

    def outputs(self, classes: int) -> int:
        """Return the raw outputs per row for `classes` classes (0: regression)."""
        return classes or 1

    def layout(self, d: int, k: int) -> Layout:
        """Return the layers' weights w0 (size, size, in, out) or (in, out) and biases b0 (out,), w1, b1, ..."""
        shapes: dict[str, tuple[int, ...]] = {}
        for i, (kind, _, _, a, size, _, _, _, _, b) in enumerate(self._table(d, k)):
            shapes |= {f"w{i}": (size, size, a, b) if kind == cnn.CONV else (a, b), f"b{i}": (b,)}
        return Layout(shapes)

    def spec(self, d: int, k: int) -> np.ndarray:
        """Return what the kernels need to know of the model, int64."""
        activation = 0 if self.activation == "relu" else 1
        return cnn.specify(SOFTMAX if k > 1 else SQUARED, activation, self._table(d, k))

    def init(self, rng: np.random.Generator, views: dict[str, np.ndarray]) -> None:
        """Set the first parameters: He et al. 2015 for ReLU, Glorot and Bengio 2010 for tanh."""
        for name, view in views.items():
            if name.startswith("b"):
                view[:] = 0
            else:
                a, b = view[..., 0].size, view[..., 0, :].size
                variance = 2 / a if self.activation == "relu" else 2 / (a + b)
                view[:] = rng.standard_normal(view.shape) * np.sqrt(variance)

    def work(self, d: int, k: int, rows: int) -> int:
        """Return the scratch elements for batches of `rows` rows."""
        return cnn.work_size(self.spec(d, k), rows)

    def loss_grad(self, sparse: bool) -> Any:
        """Return the kernel that gives loss and gradient; dense rows only."""
        if sparse:
            raise ValueError("the cnn takes dense rows; convert the file to dense ones")
        return cnn.loss_grad

    def scores(self, sparse: bool) -> Any:
        """Return the kernel that gives raw outputs."""
        return cnn.scores

    def predictor(self, arrays: dict[str, np.ndarray], attrs: dict[str, Any]) -> Callable[[Any], np.ndarray]:
        """Return a function from rows to probabilities (n, classes) or values (n, 1)."""
        return _network.predictor(arrays, self.spec(int(attrs["features"]), int(attrs["outputs"])), cnn)

    def _table(self, d: int, k: int) -> list[tuple[int, ...]]:
        side = isqrt(d)
        h, w, c = self.image or (side, side, 1)
        if h * w * c != d:
            found = f"model.image = {[h, w, c]} is {h * w * c} numbers" if self.image else "model.image is left out"
            raise UsageError(f"{found}, a row has {d}; give [height, width, channels] with this product")
        return _layers.table(self.layers, (h, w, c), k)
