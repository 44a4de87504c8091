"""Room for rows from disk: streams that are kept, and, for the others' windows, two halves that take turns."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpcfl.data.csr import CSR
from hpcfl.data.ring import WINDOW, kept, most_values, runs
from hpcfl.data.shard import Shard
from hpcfl.kernels import stream


class Pool:
    """Slots, one for each block of the windows of all streams, but for the first ones, which are read here as a whole.

    Parameters
    ----------
    train : Shard
        The rank's rows; x is `Lazy`.
    starts, lengths : (s,) int64
        First local row and rows of each stream.
    block : int
        Rows of a block.
    hold : int
        Rows that there is room for; slots come first. Of sparse rows none are kept.

    Attributes
    ----------
    x : (n, d) array or CSR
        Rows of all slots, then those that are kept. A sparse slot ends with a row that is no row, where the values of
        the next one begin.
    y : (n, 2) float
        Targets and weights.
    """

    def __init__(self, train: Shard, starts: np.ndarray, lengths: np.ndarray, block: int, hold: int) -> None:
        self.lazy, self.targets, self.block = train.x, train.y, block
        self.sparse = self.lazy.table.kind == "csr"
        self.kept = 0 if self.sparse else kept(lengths, block, hold)
        self.starts, self.lengths = starts, lengths
        self.pitch, slots = block + self.sparse, 2 * (len(starts) - self.kept) * WINDOW
        self.base, held = slots * self.pitch, int(lengths[: self.kept].sum())
        self.y = np.zeros((self.base + held, 2), train.y.dtype)
        # A kernel adds up weights only where it sees that there are any.
        self.y[:, 1] = (train.y[:, 1] == 1).all()
        streams = zip(starts.tolist(), lengths.tolist(), strict=True)
        # Values of a slot.
        self.room = max(most_values(self.lazy.lengths[a : a + n], block) for a, n in streams) if self.sparse else 0
        self.x = self._rows(slots * self.room)
        first = np.arange(0, held, block)
        self._copy(first, np.diff(first, append=held), self.base + first)

    def _rows(self, values: int) -> Any:
        # Written now: the system gives memory page by page at the first touch, which would be in the first steps.
        if not self.sparse:
            return np.full((len(self.y), self.lazy.shape[1]), 0, self.lazy.dtype)
        data, indices = np.full(values, 0, self.lazy.dtype), np.full(values, 0, np.int32)
        return CSR(data, indices, np.zeros(self.base + 1, np.int64))

    def warm(self) -> None:
        """Compile the kernels that read and that look for bad values."""
        if self.lazy.check:
            stream.finite(np.zeros(1, self.lazy.dtype))
        if not self.sparse and len(self.lazy):
            self.lazy.fill_runs(*np.array([[0], [1], [0]]), self.x)

    def fill(self, half: int, blocks: np.ndarray, offset: np.ndarray) -> None:
        """Read the blocks (s, m) of a window into a half; streams are rings that start at `offset` (s,)."""
        k = self.kept
        first, count, at = runs(self.starts[k:], self.lengths[k:], self.block, blocks[k:], offset[k:])
        at += half * (len(self.starts) - k) * WINDOW * self.block
        if self.sparse:
            self._put(first, count, at + at // self.block)
        else:
            self._copy(first, count, at)

    def locate(self, half: int, blocks: np.ndarray, offset: np.ndarray, order: np.ndarray) -> None:
        """Turn numbers within a window, `order` (s, rows), into rows of `x`, in place; see `fill`."""
        k, others = self.kept, order[self.kept :]
        stream.locate(self.lengths[:k], self.starts[:k] + self.base, self.block, blocks[:k], offset[:k], order[:k])
        slot = (half * len(others) + np.arange(len(others), dtype=np.int32)[:, None]) * WINDOW
        others[:] = (slot + others // self.block) * self.pitch + others % self.block

    def _copy(self, first: np.ndarray, count: np.ndarray, at: np.ndarray) -> None:
        """Read dense rows."""
        if len(first):
            self.lazy.fill_runs(first, count, at, self.x)
        for a, n, to in zip(first.tolist(), count.tolist(), at.tolist(), strict=True):
            self.y[to : to + n] = self.targets[a : a + n]

    def _put(self, first: np.ndarray, count: np.ndarray, at: np.ndarray) -> None:
        """Read sparse rows."""
        slot = value = -1
        for a, n, to in zip(first.tolist(), count.tolist(), at.tolist(), strict=True):
            if to // self.pitch != slot:
                slot = to // self.pitch
                value = slot * self.room
            rows = self.lazy.sparse(a, a + n)
            end = value + rows.data.size
            self.x.data[value:end], self.x.indices[value:end] = rows.data, rows.indices
            self.x.indptr[to : to + n + 1] = rows.indptr + value
            self.y[to : to + n] = self.targets[a : a + n]
            value = end
