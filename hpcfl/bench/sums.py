"""Time of a sum over the ranks, by the size of the vector."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

import numpy as np

from hpcfl.bench import Figure
from hpcfl.comm.communicator import Comm

SIZES = [1 << k for k in (4, 8, 12, 16, 18, 20, 22)]  # float32 elements: 64 B to 16 MiB


def measure(comm: Comm, size: int, least: float = 0.2) -> float:
    """Return the median seconds of a sum of `size` float32 on this rank (collective)."""
    v = np.zeros(size, np.float32)
    taken: list[float] = []
    count = 8
    while True:
        comm.barrier()
        for _ in range(count):
            start = perf_counter()
            comm.sum(v)
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
