"""Time in which a training step's vector is summed over the ranks, by its size."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

import numpy as np

from hpcfl.bench import Figure
from hpcfl.comm.communicator import Comm
from hpcfl.comm.summer import summer
from hpcfl.kernels.sums import add_rows

SIZES = [1 << k for k in (4, 8, 12, 16, 18, 20, 22)]  # float32 elements: 64 B to 16 MiB


def measure(comm: Comm, size: int, least: float = 0.2) -> float:
    """Return the median seconds in which a training step's `size` float32 are summed, on this rank (collective)."""
    with comm.node_first("compiling a kernel"):
        add_rows(np.zeros((2, 1), np.float32), 0, 1, np.zeros(1, np.float32))
    vector = summer(comm, size, np.dtype(np.float32))
    taken: list[float] = []
    count = 8
    while True:
        comm.barrier()
        for _ in range(count):
            start = perf_counter()
            vector.finish()
            taken.append(perf_counter() - start)
        if comm.max(sum(taken)) >= least:  # all ranks see the same number, and stop together
            return float(np.median(taken))
        count *= 2


def figures(comm: Comm) -> Iterator[Figure]:
    """Yield the time of each size on the slowest rank (collective); nothing on one rank."""
    for size in SIZES if comm.size > 1 else []:
        slowest = comm.max(measure(comm, size))
        nbytes = 4 * size
        text = f"{nbytes} B" if nbytes < 1024 else f"{nbytes >> 10} KiB" if nbytes < 1 << 20 else f"{nbytes >> 20} MiB"
        yield Figure(f"sums over {comm.size} ranks", text, slowest * 1e6, "us")
