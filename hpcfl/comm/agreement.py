"""A rank fails together with the others or not at all."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import sleep
from typing import TypeVar

import numpy as np
from mpi4py import MPI

from hpcfl.errors import HpcflError, by_code

T = TypeVar("T")
REST = 1e-3  # seconds between two looks


def agree(mpi: MPI.Comm, error: BaseException | None, place: str) -> None:
    """Raise the same error on all ranks if any of them has one (collective).

    Parameters
    ----------
    mpi : mpi4py.MPI.Comm
        The ranks that agree.
    error : exception or None
        What went wrong on this rank.
    place : str
        The block that was running, for the message.

    Raises
    ------
    HpcflError
        The error of the lowest rank that has one, as the class of its exit code, marked
        `agreed`; only that rank is its `speaker`.
    """
    first = np.array([mpi.rank if error is not None else mpi.size], np.int64)
    mpi.Allreduce(MPI.IN_PLACE, first, MPI.MIN)
    root = int(first[0])
    if root == mpi.size:
        return
    code, text = _send(mpi, root, error, place)
    shared = by_code(code)(text)
    shared.agreed, shared.speaker = True, mpi.rank == root
    raise shared from error


@contextmanager
def resting(mpi: MPI.Comm) -> Iterator[None]:
    """Run a local block that may take long; who is done leaves its core to the others until all are (collective).

    A rank that waits in a call of MPI keeps its core busy, which others may need, as when ranks outnumber cores.
    """
    try:
        yield
    finally:
        everybody = mpi.Ibarrier()
        while not everybody.Test():
            sleep(REST)


class Rider:
    """What a rank has to say, in two numbers that ride on a message which all ranks exchange anyway.

    An agreement after each local block costs a message each, and as many waits for the slowest rank. With a
    rider, blocks may fail until the message; then all ranks know, and agree only if one of them did.

    Parameters
    ----------
    mpi : mpi4py.MPI.Comm
    asks : bool
        Whether this rank asks for something; it means nothing here.

    Attributes
    ----------
    own : (2,) int64
        Blocks that failed here, whether this rank asks.
    known : (2,) int64
        Sums of the ranks' `own`, where and when they are known.
    """

    def __init__(self, mpi: MPI.Comm, asks: bool = False) -> None:
        self.mpi, self.place = mpi, ""
        self.error: BaseException | None = None
        self.own = np.array([0, asks], np.int64)
        self.known = self.own

    def run(self, place: str, block: Callable[[], T]) -> T | None:
        """Return what a local block gives; None if it fails, or if one is known to have failed before."""
        if not self.known[0]:
            try:
                return block()
            except Exception as error:
                self.error, self.place, self.own[0] = error, place, 1
        return None

    def tell(self, out: np.ndarray) -> None:
        """Write `known` with what failed here since to `out` (2,) int64, for the one rank that tells the others."""
        out[0], out[1] = self.known[0] + (self.error is not None), self.known[1]

    def settle(self, known: np.ndarray) -> None:
        """Raise the same error on all ranks if one failed, as all of them know by now (collective)."""
        if known[0]:
            agree(self.mpi, self.error, self.place)


def _send(mpi: MPI.Comm, root: int, error: BaseException | None, place: str) -> tuple[int, str]:
    """Bring the exit code and the message of `root` to every rank."""
    text = describe(error, place, mpi.rank if mpi.size > 1 else None).encode() if error else b""
    head = np.array([getattr(error, "code", 1), len(text)], np.int64)
    mpi.Bcast(head, root)
    body = np.frombuffer(text.ljust(int(head[1]), b" "), np.uint8)[: int(head[1])].copy()
    mpi.Bcast(body, root)
    return int(head[0]), body.tobytes().decode()


def describe(error: BaseException, place: str, rank: int | None = None) -> str:
    """Return one line about `error`; one we did not foresee is given its place and its source."""
    if isinstance(error, HpcflError):
        return str(error)
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" at {last[0].filename}:{last[0].lineno}" if last else ""
    who = "" if rank is None else f" on rank {rank}"
    return f"{type(error).__name__}{who} while {place}{where}: {error} (--debug shows the traceback)"
