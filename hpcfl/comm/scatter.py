"""Sums of which each rank gets a part."""

from __future__ import annotations

import numpy as np
from mpi4py import MPI

from hpcfl.comm.communicator import Comm


def sum_scatter(comm: Comm, v: np.ndarray, counts: np.ndarray, purpose: str) -> np.ndarray:
    """Sum `v` over the ranks and return this rank's run of it; run r is ``counts[r]`` long (collective)."""
    comm.count(purpose, v.nbytes)
    flat = v.reshape(-1)
    if comm.size == 1:
        return flat
    out = np.empty(int(counts[comm.rank]), v.dtype)
    comm.mpi.Reduce_scatter(flat, out, counts.tolist(), MPI.SUM)
    return out
