"""The Gram matrix of factors that are spread over the ranks, in one fixed order of adding."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.comm.tree import TreeSum
from hpcfl.factorization.deal import Deal


class Gram:
    """Sums ``q q'`` over all rows: block by block, the blocks in a fixed tree.

    Parameters
    ----------
    deal : Deal
        Its blocks, a power of two of them, are the leaves.
    rank : int
        Factors of a row; the bias column is left out.
    dtype : dtype
    comm : Comm
    """

    def __init__(self, deal: Deal, rank: int, dtype: np.typing.DTypeLike, comm: Comm) -> None:
        self.edges = deal.own_blocks()
        self.tree = TreeSum(comm, deal.cuts.size - 1, deal.runs, rank * rank, dtype)
        self.out = self.tree.total.reshape(rank, rank)

    def __call__(self, own: np.ndarray) -> np.ndarray:
        """Return the matrix (rank, rank) of all ranks' rows, `own` (n, rank + 1) being this rank's (collective)."""
        k = self.out.shape[0]
        for a, b in pairwise(self.edges):
            rows = np.ascontiguousarray(own[a:b, :k])
            np.dot(rows.T, rows, self.tree.buffer().reshape(k, k))
            self.tree.push()
        self.tree.finish()
        return self.out
