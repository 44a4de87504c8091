"""Users or items cut into fixed blocks of about equal work, and the blocks dealt to ranks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hpcfl.comm.communicator import Comm

SOLVE = 16  # a row's solve costs about as much as this many ratings


@dataclass(frozen=True)
class Deal:
    """Who owns which rows of one side.

    The blocks follow from the ratings alone; a rank owns a run of whole blocks, hence a run of
    rows. What is summed block by block is then the same on any number of ranks.

    Attributes
    ----------
    cuts : (blocks + 1,) int64
        Row at which each block starts.
    runs : (ranks + 1,) int64
        First block of each rank.
    rank : int
        This rank.
    """

    cuts: np.ndarray
    runs: np.ndarray
    rank: int

    @property
    def bounds(self) -> np.ndarray:
        """First row of each rank, and the number of rows last: (ranks + 1,) int64."""
        rows: np.ndarray = self.cuts[self.runs]
        return rows

    @property
    def first(self) -> int:
        """First row of this rank."""
        return int(self.bounds[self.rank])

    @property
    def stop(self) -> int:
        """Last row of this rank + 1."""
        return int(self.bounds[self.rank + 1])

    def owns(self, row: np.ndarray) -> np.ndarray:
        """Return which of `row` (n,) this rank owns; unknown ones (-1) are the first rank's."""
        row = np.maximum(row, 0)
        return (row >= self.first) & (row < self.stop)

    def own(self, every: np.ndarray) -> np.ndarray:
        """Return this rank's rows of `every` (n, ...)."""
        return every[self.first : self.stop]

    def own_blocks(self) -> np.ndarray:
        """Return the local rows at which this rank's blocks start, and the end: int64."""
        return self.cuts[self.runs[self.rank] : self.runs[self.rank + 1] + 1] - self.first

    def sum(self, values: np.ndarray, indptr: np.ndarray, comm: Comm, purpose: str) -> float:
        """Add up `values` of all ranks' ratings in one fixed order (collective).

        Parameters
        ----------
        values : (m,) float
            One for each rating of this rank's rows, which are compressed by `indptr`.
        """
        blocks = np.zeros(self.cuts.size - 1)
        edges = indptr[self.own_blocks()]
        for i, (a, b) in enumerate(pairwise(edges)):
            blocks[self.runs[self.rank] + i] = values[a:b].sum(dtype=np.float64)
        return float(comm.sum(blocks, purpose).sum())


def deal(counts: np.ndarray, blocks: int, comm: Comm) -> Deal:
    """Cut rows into `blocks` blocks by their ratings, `counts` (n,), and deal these to ranks."""
    work = np.concatenate([[0], np.cumsum(counts + SOLVE)])
    cuts = np.searchsorted(work, work[-1] * np.arange(blocks + 1) / blocks)
    runs = blocks * np.arange(comm.size + 1) // comm.size
    return Deal(cuts.astype(np.int64), runs, comm.rank)
