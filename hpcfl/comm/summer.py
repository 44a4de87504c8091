"""One vector a step, summed over all ranks: through memory that a node's ranks share, or by Allreduce."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from mpi4py import MPI

from hpcfl.comm.communicator import Comm
from hpcfl.comm.gate import Gate
from hpcfl.comm.window import shared
from hpcfl.kernels.sums import add_rows

LEAST = 64  # elements below which MPI's own sum is as fast
SMALL = 1 << 16  # elements of all ranks of a node up to which each of them adds up all of them


class Summer(Protocol):
    """A place to write a vector, and its sum over the ranks.

    Attributes
    ----------
    mine : (P,) array
        Where this rank writes, before each `finish`; another one after it.
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
    nodes, the ranks of one place on each node then Allreduce their slice. Short vectors of one node are
    added up by every rank for itself: it waits for the others once then, and not for their slices too. What it
    writes next goes elsewhere, as others may still read.

    Parameters
    ----------
    comm, node : Comm
        All ranks, and those of this node.
    across : MPI.Comm
        The ranks of other nodes with the same place on theirs.
    """

    def __init__(self, comm: Comm, node: Comm, across: MPI.Comm, size: int, dtype: np.dtype, purpose: str) -> None:
        self.comm, self.node, self.across, self.purpose = comm, node, across, purpose
        self.gate = Gate(node)
        self.small = across.size == 1 and node.size * size <= SMALL
        whole = shared(node, (2, node.size, size) if self.small else (1, node.size + 1, size), dtype)
        self.total = np.zeros(size, dtype) if self.small else whole[0, -1]
        self.sides = [(rows[: node.size], rows[node.rank]) for rows in whole]
        self.rows, self.mine = self.sides[0]

    def finish(self, size: int | None = None) -> None:
        """See `Summer.finish`."""
        size = self.total.size if size is None else size
        self.comm.count(self.purpose, size * self.mine.itemsize)
        self.gate.meet()  # all vectors are written
        if self.small:
            add_rows(self.rows, 0, size, self.total)
            self.sides.reverse()
            self.rows, self.mine = self.sides[0]
            return
        start, stop = (size * r // self.node.size for r in (self.node.rank, self.node.rank + 1))
        add_rows(self.rows, start, stop, self.total)
        if self.across.size > 1:
            self.comm.allreduce(self.across, self.total[start:stop])
        self.gate.meet()  # all slices are there


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
