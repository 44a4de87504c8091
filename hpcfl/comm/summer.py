"""One vector a step, summed over all ranks: through memory that a node's ranks share, or by Allreduce."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from mpi4py import MPI

from hpcfl.comm.communicator import Comm
from hpcfl.comm.window import shared
from hpcfl.kernels.sums import add_rows

LEAST = 2048  # elements below which MPI's own sum is as fast


class Summer(Protocol):
    """A place to write a vector, and its sum over the ranks.

    Attributes
    ----------
    mine : (P,) array
        Where this rank writes, before each `finish`.
    total : (P,) array
        The sum, to be read until the next `finish`.
    """

    mine: np.ndarray
    total: np.ndarray

    def finish(self, size: int | None = None) -> None:
        """Sum `mine`, or its first `size` elements, over the ranks into `total` (collective)."""


class Allreduce:
    """MPI's own sum, in place."""

    def __init__(self, comm: Comm, size: int, dtype: np.dtype, purpose: str) -> None:
        self.comm, self.purpose = comm, purpose
        self.mine = self.total = np.zeros(size, dtype)

    def finish(self, size: int | None = None) -> None:
        """See `Summer.finish`."""
        self.comm.sum(self.total[:size], self.purpose)


class SharedSum:
    """Each rank of a node finishes a slice of the coordinates, reading the others' vectors where they lie.

    MPI copies a message twice on its way through a node; here nothing is copied. With several
    nodes, the ranks of one place on each node then Allreduce their slice.

    Parameters
    ----------
    comm, node : Comm
        All ranks, and those of this node.
    across : MPI.Comm
        The ranks of other nodes with the same place on theirs.
    """

    def __init__(self, comm: Comm, node: Comm, across: MPI.Comm, size: int, dtype: np.dtype, purpose: str) -> None:
        self.comm, self.node, self.across, self.purpose = comm, node, across, purpose
        whole = shared(node, (node.size + 1, size), dtype)
        self.rows, self.mine, self.total = whole[:-1], whole[node.rank], whole[-1]

    def finish(self, size: int | None = None) -> None:
        """See `Summer.finish`."""
        size = self.total.size if size is None else size
        start, stop = (size * r // self.node.size for r in (self.node.rank, self.node.rank + 1))
        self.comm.count(self.purpose, size * self.mine.itemsize)
        self.node.barrier()  # all vectors are written
        add_rows(self.rows, start, stop, self.total)
        if self.across.size > 1:
            self.comm.allreduce(self.across, self.total[start:stop])
        self.node.barrier()  # all slices are there


def summer(comm: Comm, size: int, dtype: np.dtype, node: Comm | None = None, purpose: str = "gradient") -> Summer:
    """Return the faster way to sum vectors of `size` elements again and again (collective).

    Parameters
    ----------
    comm : Comm
    size : int
    dtype : dtype
    node : Comm, optional
        Ranks that share memory; found out unless given.
    purpose : str
        What the messages are counted as.
    """
    node = node or comm.on_node()
    if comm.size == 1 or size < LEAST or int(comm.max(node.size)) == 1:
        return Allreduce(comm, size, dtype, purpose)
    if -int(comm.max(-node.size)) != int(comm.max(node.size)):  # slices would not meet
        return Allreduce(comm, size, dtype, purpose)
    across = comm.mpi.Split(node.rank, comm.rank)
    comm.family.append(across)
    return SharedSum(comm, node, across, size, dtype, purpose)
