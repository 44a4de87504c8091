"""Matrices of low rank (Vogels et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from hpcfl.kernels import lowrank
from hpcfl.layout import Layout
from hpcfl.schema import key, positive

Matrix = tuple[int, int, int, int]  # first, last + 1, rows, columns


@dataclass(frozen=True)
class PowerSGD:
    """Each matrix as two of `rank` columns, found by power iteration; what that would not shrink is sent whole.

    The paper starts from the last message's matrix and iterates once, since it sums between
    the two products; here a sender works alone, so it iterates from a drawn start instead and
    nothing has to be remembered.
    """

    rank: int = key(2, "columns of the two factors")
    iterations: int = key(2, "power iterations")

    biased: ClassVar[bool] = True
    contracts: ClassVar[bool] = True
    additive: ClassVar[bool] = False

    def __post_init__(self) -> None:
        positive(self, "rank")
        positive(self, "iterations")

    def encode(self, v: np.ndarray, keys: np.ndarray, layout: Layout) -> tuple[np.ndarray, ...]:
        """Return two factors a matrix, (c, rank rows) and (c, rank columns), then the rest of `v` (c, P)."""
        thin, rest = self._cut(layout)
        buffers: list[np.ndarray] = []
        for a, b, n, m in thin:
            right = _start(keys, (self.rank, m), v.dtype)
            left = np.empty((len(v), self.rank, n), v.dtype)
            lowrank.factor(np.ascontiguousarray(v[:, a:b]).reshape(-1, n, m), self.iterations, right, left)
            buffers += [left.reshape(len(v), -1), right.reshape(len(v), -1)]
        return (*buffers, v[:, rest])

    def decode(self, buffers: tuple[np.ndarray, ...], out: np.ndarray, layout: Layout) -> None:
        """Write the vectors to `out` (c, P)."""
        thin, rest = self._cut(layout)
        for k, (a, b, n, m) in enumerate(thin):
            left, right = (buffers[2 * k + i].reshape(-1, self.rank, size) for i, size in ((0, n), (1, m)))
            matrix = np.empty((len(out), n, m), out.dtype)
            lowrank.expand(left, right, matrix)
            out[:, a:b] = matrix.reshape(len(out), -1)
        out[:, rest] = buffers[-1]

    def _cut(self, layout: Layout) -> tuple[list[Matrix], np.ndarray]:
        """Return the matrices that two factors make smaller, and the coordinates of all others."""
        rest, thin = np.ones(layout.size, bool), []
        for name, (a, b) in layout.ranges().items():
            shape = layout.shapes[name]
            n, m = (shape[0], prod(shape[1:])) if len(shape) > 1 else (1, 1)
            if (n + m) * self.rank < n * m:
                thin.append((a, b, n, m))
                rest[a:b] = False
        return thin, np.flatnonzero(rest)


def _start(keys: np.ndarray, shape: tuple[int, int], dtype: np.typing.DTypeLike) -> np.ndarray:
    draws = [np.random.Generator(np.random.Philox(key=int(k))).standard_normal(shape) for k in keys]
    return np.array(draws, dtype).reshape(-1, *shape)
