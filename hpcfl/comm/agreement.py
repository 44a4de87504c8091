"""A rank fails together with the others or not at all."""

from __future__ import annotations

import traceback

import numpy as np
from mpi4py import MPI

from hpcfl.errors import HpcflError, by_code


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
