"""Names and shapes inside one flat vector: the currency that all parts of hpcfl exchange."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np


@dataclass(frozen=True)
class Layout:
    """Where each named array lies in a flat vector.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        The arrays in the order in which they lie in the vector. Names starting with ``b``
        are biases and are left out of L2 penalties.
    """

    shapes: Mapping[str, tuple[int, ...]]

    @property
    def size(self) -> int:
        """Number of elements of the flat vector."""
        return sum(prod(shape) for shape in self.shapes.values())

    def ranges(self) -> dict[str, tuple[int, int]]:
        """Return {name: (start, stop)} of each array in the flat vector."""
        out, start = {}, 0
        for name, shape in self.shapes.items():
            out[name] = (start, start + prod(shape))
            start += prod(shape)
        return out

    def zeros(self, dtype: np.typing.DTypeLike) -> np.ndarray:
        """Return a new flat vector of zeros, shape (size,)."""
        return np.zeros(self.size, dtype)

    def views(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        """Return {name: array}, each a view into `flat` of shape (size,), never a copy."""
        if flat.shape != (self.size,):
            raise ValueError(f"a vector of shape ({self.size},) is needed, not {flat.shape}")
        return {name: flat[a:b].reshape(self.shapes[name]) for name, (a, b) in self.ranges().items()}

    def mask(self, names: tuple[str, ...]) -> np.ndarray:
        """Return which coordinates of the flat vector belong to `names`, (size,) bool."""
        return np.repeat([name in names for name in self.shapes], [prod(s) for s in self.shapes.values()]).astype(bool)

    def penalized(self) -> np.ndarray:
        """Return the ranges an L2 penalty applies to, int64 of shape (k, 2): all but biases."""
        keep = [ab for name, ab in self.ranges().items() if not name.startswith("b")]
        return np.array(keep, np.int64).reshape(-1, 2)
