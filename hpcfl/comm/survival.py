"""Going on without dead ranks: revoke, agree, shrink (User-Level Failure Mitigation, as Open MPI has it)."""

from __future__ import annotations

import socket

import numpy as np
from mpi4py import MPI

from hpcfl.comm import heart
from hpcfl.comm.communicator import Comm, library
from hpcfl.errors import UsageError

HOST = 64  # bytes of a host's name


def possible() -> bool:
    """Return whether this process was started to outlive another rank."""
    return heart.enabled() and library().startswith("Open MPI")


def works(comm: Comm) -> bool:
    """Try whether ranks can leave others behind (collective)."""
    try:
        return possible() and bool(comm.mpi.Agree(1)) and comm.mpi.Dup().Shrink().size == comm.size
    except (MPI.Exception, NotImplementedError):
        return False


def lost(error: BaseException) -> bool:
    """Return whether `error` says that a rank died, or that another rank noticed it first."""
    dead = (MPI.ERR_PROC_FAILED, MPI.ERR_PROC_FAILED_PENDING, MPI.ERR_REVOKED)
    return possible() and isinstance(error, MPI.Exception) and error.Get_error_class() in dead


class Survival:
    """Keeps count of who is left, and makes the communicator theirs.

    Parameters
    ----------
    comm : Comm
        Changed in place: after `regroup` its ranks are the survivors, numbered anew.

    Attributes
    ----------
    alive : int64 array
        Original numbers of the ranks that were there last.
    hosts : list of str
        Of all ranks, by original number.

    Raises
    ------
    UsageError
        MPI cannot outlive a dead rank, or was not told to.
    """

    def __init__(self, comm: Comm) -> None:
        with comm.together("reading the job file"):
            if comm.size > 1 and not possible():
                raise UsageError(
                    "comm.on_failure = 'continue' needs Open MPI 5 and its 'mpirun --with-ft ulfm' (not MPICH, not "
                    "srun); start it so, or set comm.on_failure = 'stop'"
                )
        self.comm, self.alive = comm, comm.origin
        name = np.zeros(HOST, np.uint8)
        host = socket.gethostname().encode()[:HOST]
        name[: len(host)] = np.frombuffer(host, np.uint8)
        self.hosts = [row.tobytes().rstrip(b"\0").decode() for row in comm.allgather(name, "hosts")]

    def ended(self, fine: bool) -> bool:
        """Return whether all ranks came to the end of what they did together (collective, whoever dies).

        A rank that got an error wakes the others by revoking their communicators.
        """
        if self.comm.size == 1:
            return fine
        if not fine:
            for mpi in self.comm.family:
                mpi.Revoke()
        try:
            return bool(self.comm.mpi.Agree(int(fine)))
        except MPI.Exception:
            return False

    def shrink(self) -> None:
        """Leave the dead behind (collective, whoever dies); call `regroup` then."""
        self.comm.become(self.comm.mpi.Shrink())

    def regroup(self) -> list[int]:
        """Let the survivors know each other; return the original numbers of those missing in `alive` (collective)."""
        self.comm.meet()
        return [int(rank) for rank in np.setdiff1d(self.alive, self.comm.origin)]
