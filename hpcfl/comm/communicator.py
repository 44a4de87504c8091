"""The communicator that every part takes as an argument: sums, exchanges, counted by purpose."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from mpi4py import MPI

from hpcfl.comm import heart
from hpcfl.comm.agreement import agree, resting
from hpcfl.comm.traffic import Traffic

CHUNK = 1 << 28  # elements a message: Open MPI lacks large counts, so each stays under 2^31 bytes


class Comm:
    """A group of ranks.

    Every method that says *collective* must be called by all ranks in the same order. Vectors
    are contiguous NumPy arrays; nothing is pickled. Each message is counted in `traffic`.

    Parameters
    ----------
    mpi : mpi4py.MPI.Comm
        The ranks. It is duplicated, so that no message meets one of the caller's.
    family : list of mpi4py.MPI.Comm, optional
        Where the communicators that are made are noted: all that a dead rank may block.

    Attributes
    ----------
    origin : (size,) int64
        The number that each rank had at first; another one once ranks were left behind.
    started : int
        Ranks at first.
    traffic : Traffic
        What this rank has sent.
    """

    def __init__(self, mpi: MPI.Comm, family: list[MPI.Comm] | None = None) -> None:
        self.family = [] if family is None else family
        self.traffic = Traffic()
        self.born, self.started = mpi.rank, mpi.size
        self._take(mpi.Dup())
        self.origin = np.arange(self.size)
        self._split()

    def _take(self, mpi: MPI.Comm) -> None:
        self.mpi, self.rank, self.size = mpi, mpi.rank, mpi.size
        self.family.append(mpi)

    def _split(self) -> None:
        self.node = self.mpi.Split_type(MPI.COMM_TYPE_SHARED, self.rank)
        self.family.append(self.node)
        self.neighbours: Comm | None = None

    def become(self, mpi: MPI.Comm) -> None:
        """Go on with the ranks of `mpi`, some of those so far (local); then call `meet`."""
        self.family.clear()
        self._take(mpi)
        self.traffic.forget()  # the ranks' counts may differ by a message that not all of them sent

    def meet(self) -> None:
        """Find out who is left, and who shares a node (collective)."""
        self._split()
        self.origin = self.allgather(np.array([self.born]), "survivors")[:, 0]

    def on_node(self) -> Comm:
        """Return the ranks of this rank's node (collective), the same each time: MPI has 2,000 communicators."""
        self.neighbours = self.neighbours or Comm(self.node, self.family)
        return self.neighbours

    def free(self) -> None:
        """Give MPI back what it holds for these ranks, which are not used again (collective)."""
        while self.family:
            self.family.pop().Free()

    def count(self, purpose: str, nbytes: int, times: int = 1) -> None:
        """Count a message of `nbytes` that this rank sends so often, if there are others."""
        if self.size > 1 and times:
            self.traffic.add(purpose, nbytes, times)

    def sum(self, v: np.ndarray, purpose: str = "sum") -> np.ndarray:
        """Sum `v` over the ranks, in place, and return it (collective)."""
        self.count(purpose, v.nbytes)
        if self.size > 1:
            self.allreduce(self.mpi, v.reshape(-1))
        return v

    @staticmethod
    def allreduce(mpi: MPI.Comm, flat: np.ndarray) -> None:
        """Sum `flat` in place over the ranks of `mpi`, in messages of bounded length (collective)."""
        for a in range(0, flat.size, CHUNK):
            mpi.Allreduce(MPI.IN_PLACE, flat[a : a + CHUNK], MPI.SUM)

    def max(self, value: float, purpose: str = "max") -> float:
        """Return the largest `value` of all ranks (collective)."""
        out = np.array([value], np.float64)
        self.count(purpose, out.nbytes)
        self.mpi.Allreduce(MPI.IN_PLACE, out, MPI.MAX)
        return float(out[0])

    def bcast(self, v: np.ndarray, root: int = 0, purpose: str = "bcast") -> np.ndarray:
        """Copy `v` from `root` into `v` of every rank, and return it (collective)."""
        self.count(purpose, v.nbytes if self.rank == root else 0)
        self.spread(self.mpi, v.reshape(-1), root)
        return v

    @staticmethod
    def spread(mpi: MPI.Comm, flat: np.ndarray, root: int = 0) -> None:
        """Copy `flat` from `root` of `mpi` to its other ranks, in messages of bounded length (collective)."""
        for a in range(0, flat.size, CHUNK):
            mpi.Bcast(flat[a : a + CHUNK], root)

    def gather(self, v: np.ndarray, root: int = 0, purpose: str = "gather") -> list[np.ndarray]:
        """Return the vectors of all ranks, in rank order, on `root`; [] elsewhere (collective).

        The vectors may differ in length, not in dtype.
        """
        counts = self.allgather(np.array([v.size], np.int64), "lengths")[:, 0]
        self.count(purpose, v.nbytes if self.rank != root else 0)
        whole = np.empty(int(counts.sum()) if self.rank == root else 0, v.dtype)
        self.mpi.Gatherv(v.reshape(-1), [whole, counts] if self.rank == root else None, root)
        return np.split(whole, np.cumsum(counts)[:-1]) if self.rank == root else []

    def allgather(self, v: np.ndarray, purpose: str = "allgather") -> np.ndarray:
        """Return the equally long vectors of all ranks, shape (size, len(v)) (collective)."""
        self.count(purpose, v.nbytes)
        out = np.empty((self.size, v.size), v.dtype)
        self.mpi.Allgather(np.ascontiguousarray(v).reshape(-1), out)
        return out

    def allgatherv(self, v: np.ndarray, purpose: str = "allgather") -> np.ndarray:
        """Return the vectors of all ranks, of any lengths, one after the other (collective)."""
        counts = self.allgather(np.array([v.size], np.int64), "lengths")[:, 0]
        self.count(purpose, v.nbytes)
        out = np.empty(int(counts.sum()), v.dtype)
        self.mpi.Allgatherv(np.ascontiguousarray(v).reshape(-1), [out, counts])
        return out

    def alltoallv(self, parts: list[np.ndarray], purpose: str = "alltoall") -> list[np.ndarray]:
        """Send ``parts[r]`` to rank r and return what each rank sent here (collective)."""
        out_counts = np.array([p.size for p in parts], np.int64)
        in_counts = np.empty(self.size, np.int64)
        self.mpi.Alltoall(out_counts, in_counts)
        whole = np.concatenate([p.reshape(-1) for p in parts])
        self.count(purpose, whole.nbytes)
        got = np.empty(int(in_counts.sum()), whole.dtype)
        self.mpi.Alltoallv([whole, out_counts], [got, in_counts])
        return np.split(got, np.cumsum(in_counts)[:-1])

    def exchange(
        self, out: np.ndarray, out_counts: np.ndarray, got: np.ndarray, in_counts: np.ndarray, purpose: str
    ) -> None:
        """Send runs of `out`, one a rank, and fill `got` with those meant for this rank (collective)."""
        self.count(purpose, out.nbytes)
        self.mpi.Alltoallv([out, out_counts], [got, in_counts])

    def share(self, part: np.ndarray, out: np.ndarray, counts: np.ndarray, purpose: str) -> None:
        """Fill `out` with the parts of all ranks, of the known lengths `counts` (collective)."""
        self.count(purpose, part.nbytes)
        self.mpi.Allgatherv(part, [out, counts])

    def ring(self, v: np.ndarray, purpose: str = "ring") -> np.ndarray:
        """Send `v` to the next rank and return what the one before sent (collective)."""
        right, left = (self.rank + 1) % self.size, (self.rank - 1) % self.size
        size = np.empty(1, np.int64)
        self.mpi.Sendrecv(np.array([v.size]), right, recvbuf=size, source=left)
        out = np.empty(int(size[0]), v.dtype)
        self.count(purpose, v.nbytes)
        for a in range(0, max(v.size, out.size), CHUNK):
            self.mpi.Sendrecv(v[a : a + CHUNK], right, recvbuf=out[a : a + CHUNK], source=left)
        return out

    def before(self, value: int) -> int:
        """Return the sum of `value` over the ranks below this one (collective, exscan)."""
        every = self.allgather(np.array([value], np.int64), "exscan")[:, 0]
        return int(every[: self.rank].sum())

    def barrier(self) -> None:
        """Wait for all ranks (collective)."""
        self.mpi.Barrier()

    @contextmanager
    def together(self, place: str) -> Iterator[None]:
        """Run a *local* block on every rank; if it fails on one, all raise the same error.

        `place` names the block for the message of an unforeseen error. The block must hold no
        collective call, since a rank that fails leaves it early.
        """
        error: BaseException | None = None
        try:
            yield
        except Exception as caught:
            error = caught
        agree(self.mpi, error, place)

    @contextmanager
    def node_first(self, place: str) -> Iterator[None]:
        """Run a local block on the first rank of each node, then on the others.

        For whatever is written once and then found by all, such as compiled kernels.
        """
        with self.together(place), resting(self.mpi):
            if self.node.rank == 0:
                yield
        with self.together(place):
            if self.node.rank != 0:
                yield

    def abort(self, code: int) -> None:
        """End every rank at once with exit status `code`."""
        sys.stdout.flush()
        sys.stderr.flush()
        self.mpi.Abort(code)


def world() -> Comm:
    """Return all ranks that the launcher started, initialising MPI on first use."""
    heart.start()
    return Comm(MPI.COMM_WORLD)


@cache
def alone() -> Comm:
    """Return this rank by itself, for work that needs a communicator and no other rank."""
    return Comm(MPI.COMM_SELF)


def library() -> str:
    """Return MPI's name and version, one line."""
    return str(MPI.Get_library_version()).replace("\x00", "").splitlines()[0].strip()


def wrap(comm: Any) -> Comm:
    """Return `comm` as a Comm: a Comm stays, an mpi4py communicator is wrapped, None is all ranks."""
    return comm if isinstance(comm, Comm) else world() if comm is None else Comm(comm)
