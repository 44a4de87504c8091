"""One vector a step, summed over all ranks: through memory that a node's ranks share, or by Allreduce."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from mpi4py import MPI

from hpcfl.comm import heart
from hpcfl.comm.communicator import Comm
from hpcfl.comm.gate import Gate
from hpcfl.comm.slices import Slices
from hpcfl.comm.window import shared
from hpcfl.kernels.gate import meet
from hpcfl.kernels.sums import add_rows

LEAST = 2048  # elements below which MPI's own sum is as fast, over several nodes or where ranks are to outlive others
SMALL = 1 << 16  # elements of all ranks of one node up to which each of them adds up all


class Summer(Protocol):
    """A place to write a vector, and its sum over the ranks.

    Attributes
    ----------
    mine : (P,) array
        Where this rank writes, before each `finish`; another one after it.
    total : (P,) array
        The sum, to be read until the next `finish`; of a `SliceSum` a part of it.
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


class EachSum:
    """Each rank of a node adds up all vectors for itself: it waits once, and what is short is soon added.

    What it writes next goes elsewhere, as others may still read.

    Parameters
    ----------
    comm, node : Comm
        All ranks, which are those of one node.

    Attributes
    ----------
    sides : (2, ranks, P) array
        The ranks' vectors: in even turns of the gate the first ones, in odd turns the others.
    """

    def __init__(self, comm: Comm, node: Comm, size: int, dtype: np.dtype, purpose: str) -> None:
        self.comm, self.purpose, self.gate = comm, purpose, Gate(node)
        self.sides, self.total = shared(node, (2, node.size, size), dtype), np.zeros(size, dtype)
        self.pairs = [(rows, rows[node.rank]) for rows in self.sides]
        self.passed(0)

    def passed(self, turns: int, size: int = 0) -> None:
        """Take note of so many sums of `size` elements (local)."""
        self.comm.count(self.purpose, size * self.total.itemsize, turns)
        self.gate.turn += turns
        self.rows, self.mine = self.pairs[self.gate.turn % 2]

    def finish(self, size: int | None = None) -> None:
        """See `Summer.finish`."""
        size = self.total.size if size is None else size
        self.gate.wait(self.gate.turn + 1)
        add_rows(self.rows, 0, size, self.total)
        self.passed(1, size)


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
        self.gate, whole = Gate(node), shared(node, (node.size + 1, size), dtype)
        self.rows, self.mine, self.total = whole[:-1], whole[node.rank], whole[-1]

    def finish(self, size: int | None = None) -> None:
        """See `Summer.finish`."""
        size = self.total.size if size is None else size
        start, stop = (size * r // self.node.size for r in (self.node.rank, self.node.rank + 1))
        self.comm.count(self.purpose, size * self.mine.itemsize)
        self.gate.meet()  # all vectors are written
        add_rows(self.rows, start, stop, self.total[start:stop])
        if self.across.size > 1:
            self.comm.allreduce(self.across, self.total[start:stop])
        self.gate.meet()  # all slices are there


class SliceSum:
    """Each rank of a node keeps the slice of the coordinates that it added up, as after a reduce-scatter.

    Parameters
    ----------
    comm, node, across
        As in `SharedSum`.
    tail : int
        Words at the end that all ranks get.

    Attributes
    ----------
    slices : Slices
    total : (slice + tail,) array
        This rank's slice, then the tail.
    """

    def __init__(
        self, comm: Comm, node: Comm, across: MPI.Comm, size: int, tail: int, dtype: np.dtype, purpose: str
    ) -> None:
        self.comm, self.across, self.purpose = comm, across, purpose
        self.slices, self.rows = Slices(node, Gate(node), size - tail), shared(node, (node.size, size), dtype)
        self.mine, own = self.rows[node.rank], self.slices.mine
        self.start, self.stop = own.start, own.stop
        self.total = np.zeros(self.stop - self.start + tail, dtype)

    def finish(self, size: int | None = None) -> None:
        """See `Summer.finish`; no part of it. Others read `mine` until all have met once more."""
        n = self.stop - self.start
        self.comm.count(self.purpose, self.mine.nbytes)
        self.slices.gate.meet()  # all vectors are written
        add_rows(self.rows, self.start, self.stop, self.total[:n])
        add_rows(self.rows, self.slices.size, self.mine.size, self.total[n:])
        if self.across.size > 1:
            self.comm.allreduce(self.across, self.total)


def summer(
    comm: Comm, size: int, dtype: np.dtype, node: Comm | None = None, purpose: str = "gradient", tail: int = 0
) -> Summer:
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
    tail : int
        If not 0, a `SliceSum` will do, which may be faster.
    """
    node = node or comm.on_node()
    most, least = int(comm.max(node.size)), -int(comm.max(-node.size))
    near = least == comm.size and not heart.enabled()
    if comm.size > 1 and near and size * comm.size <= SMALL:
        return EachSum(comm, node, size, dtype, purpose)
    # Slices do not meet where nodes differ in ranks. Open MPI's sum says that a rank left by exit, its barrier did not.
    if comm.size == 1 or most == 1 or most != least or (not near and size < LEAST):
        return Allreduce(comm, size, dtype, purpose)
    across = comm.mpi.Split(node.rank, comm.rank)
    comm.family.append(across)
    if tail and not heart.enabled():
        return SliceSum(comm, node, across, size, tail, dtype, purpose)
    return SharedSum(comm, node, across, size, dtype, purpose)


def warm(dtype: np.dtype) -> None:
    """Compile the kernels of every way, whatever the ranks (local)."""
    add_rows(np.zeros((1, 1), dtype), 0, 1, np.zeros(1, dtype))
    meet(np.zeros((0, 1, 1), np.int64), 0, 0)
