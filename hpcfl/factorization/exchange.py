"""The rows of one side's factors brought to the ranks that read them."""

from __future__ import annotations

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.factorization.deal import Deal

SPARSE = 0.5  # needed rows are sent one by one where they are fewer than this part of all


class Exchange:
    """Keeps a table of the other ranks' rows that this rank needs.

    All rows are exchanged by Allgatherv, or, if the ranks need less than half of what that would
    bring them, each rank is sent the rows that it reads, by Alltoallv.

    Parameters
    ----------
    deal : Deal
        Who owns which rows.
    index : (m,) int32
        The rows that this rank reads; replaced by the attribute `index`.
    width : int
        Columns of a row.
    dtype : dtype
    comm : Comm

    Attributes
    ----------
    table : (rows, width) float
        The rows, as of the last `send`.
    index : (m,) int32
        Where in `table` each row read is.
    """

    def __init__(self, deal: Deal, index: np.ndarray, width: int, dtype: np.typing.DTypeLike, comm: Comm) -> None:
        self.deal, self.comm, self.width = deal, comm, width
        needed = np.unique(index)
        total = int(deal.bounds[-1])
        read = comm.sum(np.array([needed.size], np.int64), "exchange")[0]
        self.sparse = bool(comm.size > 1 and read < SPARSE * total * comm.size)
        self.index = np.searchsorted(needed, index).astype(np.int32) if self.sparse else index
        self.table = np.zeros((needed.size if self.sparse else total, width), dtype)
        if self.sparse:
            wanted = np.split(needed.astype(np.int64), np.searchsorted(needed, deal.bounds[1:-1]))
            asked = comm.alltoallv(wanted, "exchange")
            self.rows = np.concatenate(asked) - deal.first
            self.sent = np.array([len(part) for part in asked]) * width
            self.got = np.array([len(part) for part in wanted]) * width
            self.packed = np.empty((self.rows.size, width), dtype)

    def send(self, own: np.ndarray, purpose: str) -> None:
        """Bring `own`, this rank's rows (n, width), to the ranks that need them (collective)."""
        if self.sparse:
            np.take(own, self.rows, axis=0, out=self.packed)
            self.comm.exchange(self.packed, self.sent, self.table, self.got, purpose)
        else:
            self.comm.share(own, self.table, np.diff(self.deal.bounds) * self.width, purpose)
