"""Memory that the ranks of a node share: one array, seen by all of them."""

from __future__ import annotations

import mmap
import os
from math import prod

import numpy as np

from hpcfl.comm.communicator import Comm


def shared(node: Comm, shape: tuple[int, ...], dtype: np.typing.DTypeLike) -> np.ndarray:
    """Return an array of zeros that is the same memory on every rank of `node` (collective).

    It is a file of Linux without a name (``memfd_create``), not an MPI window: the system takes it
    back when the last rank drops its array or dies, no rank has to free it together with the
    others, and it is not limited by the size of ``/dev/shm``, 64 MiB in many containers.

    Parameters
    ----------
    node : Comm
        Ranks of one machine.
    shape, dtype
        The same on every rank.
    """
    kind = np.dtype(dtype)
    size = max(prod(shape) * kind.itemsize, 1)
    where = np.zeros(2, np.int64)
    with node.together("making shared memory"):
        if node.rank == 0:
            where[:] = os.getpid(), os.memfd_create("hpcfl-rows")
            os.ftruncate(int(where[1]), size)
    node.bcast(where, purpose="shared memory")
    with node.together("opening shared memory"):
        pid, handle = where.tolist()
        mine = handle if node.rank == 0 else os.open(f"/proc/{pid}/fd/{handle}", os.O_RDWR)
        memory = mmap.mmap(mine, size)
    node.barrier()  # nobody closes before all have opened
    os.close(mine)
    return np.frombuffer(memory, kind, prod(shape)).reshape(shape)
