"""Room for the rows that are trained on and for those that are read ahead: two halves that take turns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hpcfl.data.csr import CSR
from hpcfl.data.shard import Shard
from hpcfl.kernels import stream

WINDOW = 4  # blocks of a stream whose rows are shuffled together


class Pool:
    """Rows in slots, one for each block of the windows of all streams.

    Parameters
    ----------
    train : Shard
        The rank's rows; x is `Lazy`.
    starts, lengths : (s,) int64
        First local row and rows of each stream.
    block : int
        Rows of a block.

    Attributes
    ----------
    x : (n, d) array or CSR
        Rows of all slots. A sparse slot ends with a row that is no row, where the values of the next one begin.
    y : (n, 2) float
        Targets and weights.
    """

    def __init__(self, train: Shard, starts: np.ndarray, lengths: np.ndarray, block: int) -> None:
        self.lazy, self.targets, self.starts, self.lengths, self.block = train.x, train.y, starts, lengths, block
        self.sparse = self.lazy.table.kind == "csr"
        self.pitch, slots = block + self.sparse, 2 * len(starts) * WINDOW
        self.y = np.zeros((slots * self.pitch, 2), train.y.dtype)
        # A kernel adds up weights only where it sees that there are any.
        self.y[:, 1] = (train.y[:, 1] == 1).all()
        self.room = 0
        self.x: Any
        if self.sparse:
            self.room = max(_most(self.lazy.lengths[a : a + n], block) for a, n in zip(starts, lengths, strict=True))
            values = slots * self.room
            data, indices = np.full(values, 0, self.lazy.dtype), np.full(values, 0, np.int32)
            self.x = CSR(data, indices, np.zeros(slots * self.pitch + 1, np.int64))
        else:
            # Written now: the system gives memory page by page at the first touch, which would be in the first steps.
            self.x = np.full((slots * block, self.lazy.shape[1]), 0, self.lazy.dtype)

    def warm(self) -> None:
        """Compile the kernels that read and that look for bad values."""
        if self.lazy.check:
            stream.finite(np.zeros(1, self.lazy.dtype))
        if not self.sparse and len(self.lazy):
            self.lazy.fill_runs(*np.array([[0], [1], [0]]), self.x)

    def fill(self, half: int, blocks: np.ndarray, offset: np.ndarray) -> None:
        """Read the blocks (s, m) of a window into a half; streams are rings that start at `offset` (s,)."""
        dense: list[tuple[int, int, int]] = []  # first row, rows, where they go
        for slot, runs in self._runs(half, blocks, offset):
            if self.sparse:
                self._put(slot, runs)
            else:
                at = slot * self.pitch
                for a, b in runs:
                    dense.append((a, b - a, at))
                    at += b - a
        if dense:
            self.lazy.fill_runs(*np.ascontiguousarray(np.array(dense, np.int64).T), self.x)
        for a, n, at in dense:
            self.y[at : at + n] = self.targets[a : a + n]

    def _runs(self, half: int, blocks: np.ndarray, offset: np.ndarray) -> Iterator[tuple[int, list[tuple[int, int]]]]:
        """Yield each slot of a window, and the runs of local rows that it is for."""
        for j, (start, length) in enumerate(zip(self.starts.tolist(), self.lengths.tolist(), strict=True)):
            for i, b in enumerate(blocks[j].tolist()):
                count = min(self.block, length - b * self.block)
                if count > 0:
                    a = (int(offset[j]) + b * self.block) % length
                    first = min(count, length - a)
                    runs = [(start + a, start + a + first), (start, start + count - first)]
                    yield (half * len(self.starts) + j) * WINDOW + i, runs if first < count else runs[:1]

    def locate(self, half: int, order: np.ndarray) -> None:
        """Turn numbers within a window, `order` (s, rows), into rows of `x`, in place."""
        slot = (half * len(self.starts) + np.arange(len(order), dtype=np.int32)[:, None]) * WINDOW
        order[:] = (slot + order // self.block) * self.pitch + order % self.block

    def _put(self, slot: int, runs: list[tuple[int, int]]) -> None:
        """Read sparse rows into a slot."""
        at, value = slot * self.pitch, slot * self.room
        for a, b in runs:
            rows = self.lazy.sparse(a, b)
            end = value + rows.data.size
            self.x.data[value:end], self.x.indices[value:end] = rows.data, rows.indices
            self.x.indptr[at : at + b - a + 1] = rows.indptr + value
            self.y[at : at + b - a] = self.targets[a:b]
            value, at = end, at + b - a


def _most(lengths: np.ndarray, block: int) -> int:
    """Return the most values that `block` rows in a row of a ring have together."""
    ends = np.concatenate([[0], np.cumsum(np.concatenate([lengths, lengths[:block]]))])
    step = min(block, len(lengths))
    return int((ends[step:] - ends[:-step]).max())
