"""Rows in the order of streams: in memory, or read ahead from disk by a thread. See `kernels.stream` for the order."""

from __future__ import annotations

import numpy as np

from hpcfl.data.ahead import Ahead
from hpcfl.data.batch import Batch
from hpcfl.data.lazy import Lazy
from hpcfl.data.plan import Plan
from hpcfl.data.pool import Pool
from hpcfl.data.ring import WINDOW
from hpcfl.data.shard import Shard
from hpcfl.kernels import stream as kernels
from hpcfl.seeding import key


class Stream:
    """Gives each step its rows of an epoch, for ``data.order = "blocks"``.

    Windows are numbered through all epochs and made one after the other, in two halves that take
    turns: of `orders`, and of the pool if rows are on disk. There a thread makes them, so that one
    window is read while another is trained on. The order depends on neither.

    Parameters
    ----------
    plan : Plan
        Its strata are the streams.
    train : Shard
        The rank's rows; x is an array, CSR or `Lazy`.
    batch_size : int
        Rows of a step over all ranks.
    block : int
        Rows of a block.
    rank, seed : int
    hold : int
        Rows that a `Pool` may hold.

    Attributes are those of `hpcfl.trainers.order.Batches`.
    """

    def __init__(
        self, plan: Plan, train: Shard, batch_size: int, block: int, rank: int, seed: int, hold: int = 0
    ) -> None:
        self.first, end = plan.owned(plan.strata, rank)
        bounds = plan.strata[self.first : end + 1]
        self.starts, self.lengths = bounds[:-1] - bounds[0], np.diff(bounds)
        self.streams, self.total, self.size = len(plan.strata) - 1, int(plan.strata[-1]), batch_size
        self.block, self.seed, self.steps = block, seed, -(-self.total // batch_size)
        own, most = len(self.lengths), -(-int(plan.strata[1]) // block)
        self.blocks, self.offset = np.zeros((own, most), np.int32), np.zeros(own, np.int64)
        self.orders, self.ends = np.zeros((2, own, WINDOW * block), np.int32), np.zeros(own + 1, np.int64)
        self.rows = np.zeros(own * -(-batch_size // self.streams), np.int32)
        self.windows = -(-most // WINDOW)
        self.pool = Pool(train, self.starts, self.lengths, block, hold) if isinstance(train.x, Lazy) else None
        self.train = Shard(self.pool.x, self.pool.y, train.ids) if self.pool else train
        self.ordered = self.made = self.freed = -1
        self.at = 0
        self.ahead: Ahead | None = None

    def warm(self) -> None:
        """Compile all kernels (local)."""
        blocks = self._order(0)
        if self.pool:
            self.pool.warm()
        kernels.locate(self.lengths, self.starts, self.block, blocks, self.offset, self.orders[0])
        kernels.batch(0, 0, self.streams, self.first, self.orders, 0, self.ends, self.rows)

    def begin(self, epoch: int, step: int = 0) -> None:
        """Begin an epoch at a step: of the first one any, of those after it 0 (local)."""
        self.at = epoch * self.windows
        if self.made < 0:
            self.made = self.freed = self.at + self._window(step * self.size)
            if self.pool:
                self.ahead = Ahead(self._make, self.made)

    def batch(self, step: int) -> Batch:
        """Return the rank's rows of a step, valid until the next call, or why a block is not to be had (local)."""
        begin, end = step * self.size, min((step + 1) * self.size, self.total)
        try:
            self._await(self.at + self._window(begin), self.at + self._window(end - 1))
        except Exception as error:
            return Batch(self.rows[:0], np.zeros_like(self.ends), error)
        kernels.batch(begin, end, self.streams, self.first, self.orders, self.at % 2, self.ends, self.rows)
        return Batch(self.rows[: self.ends[-1]], self.ends)

    def close(self) -> None:
        """End the thread (local)."""
        if self.ahead:
            self.ahead.close()

    def _window(self, position: int) -> int:
        """Return the window of an epoch that holds a position."""
        return position // self.streams // (WINDOW * self.block)

    def _await(self, first: int, last: int) -> None:
        """Give back the windows before `first`, and wait until `last` is made."""
        while self.freed < first:
            self.freed += 1
            if self.ahead:
                self.ahead.free()
        while self.made <= last:
            if self.ahead:
                self.ahead.wait()
            else:
                self._make(self.made)
            self.made += 1

    def _make(self, turn: int) -> None:
        """Order a window, and read it if its rows are on disk."""
        blocks, order = self._order(turn), self.orders[turn % 2]
        if self.pool:
            self.pool.fill(turn % 2, blocks, self.offset)
            self.pool.locate(turn % 2, blocks, self.offset, order)
        else:
            kernels.locate(self.lengths, self.starts, self.block, blocks, self.offset, order)

    def _order(self, turn: int) -> np.ndarray:
        """Shuffle a window, and return its blocks (s, m)."""
        epoch, v = divmod(turn, self.windows)
        if self.ordered != epoch:
            kernels.blocks(
                key(self.seed, "blocks", epoch), self.first, self.lengths, self.block, self.blocks, self.offset
            )
            self.ordered = epoch
        stream, start = key(self.seed, "order", epoch), v * WINDOW * self.block
        kernels.shuffle(stream, self.first, self.lengths, start, self.orders[turn % 2])
        return np.ascontiguousarray(self.blocks[:, v * WINDOW : (v + 1) * WINDOW])
