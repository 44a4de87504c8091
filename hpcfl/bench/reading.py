"""Speed of reading a dataset file, each rank its own run of rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from hpcfl.bench import Figure
from hpcfl.comm.communicator import Comm
from hpcfl.data.h5 import write_atomic
from hpcfl.data.table import open_table

ROWS, FEATURES = 50_000, 784  # of the file that is written if none is given: 157 MB
BLOCK = 4096  # rows at a time
MOST = 1 << 31  # bytes that a rank reads at most


def figures(comm: Comm, path: str, folder: str) -> Iterator[Figure]:
    """Yield the speed of all ranks together, for `path` or a file of our own in `folder` (collective)."""
    if path:
        yield Figure("reading", path, _speed(comm, path), "GB/s")
        return
    with _written(comm, folder) as own:
        yield Figure("reading", f"{4 * ROWS * FEATURES >> 20} MiB just written to {folder}", _speed(comm, own), "GB/s")


@contextmanager
def _written(comm: Comm, folder: str) -> Iterator[str]:
    """Write a file on rank 0 for as long as it is read, and give its path to all ranks."""
    name = np.zeros(4096, np.uint8)
    place = TemporaryDirectory(dir=folder, prefix="hpcfl-bench-") if comm.rank == 0 else None
    with comm.together("writing a file to read"):
        if place:
            x = np.ones((ROWS, FEATURES), np.float32)
            write_atomic(Path(place.name) / "rows.h5", {"x": x}, {"format": "hpcfl", "version": 1})
            text = f"{place.name}/rows.h5".encode()
            name[: len(text)] = np.frombuffer(text, np.uint8)
    comm.bcast(name)
    yield name.tobytes().rstrip(b"\0").decode()
    comm.barrier()
    if place:
        place.cleanup()


def _speed(comm: Comm, path: str) -> float:
    with comm.together("opening the file"):
        table = open_table(path)
        first, last = table.rows * comm.rank // comm.size, table.rows * (comm.rank + 1) // comm.size
    comm.barrier()
    start, nbytes = perf_counter(), 0
    with comm.together("reading the file"):
        for a in range(first, last, BLOCK):
            x = table.read(a, min(a + BLOCK, last))
            nbytes += x.nbytes if isinstance(x, np.ndarray) else sum(part.nbytes for part in x)
            if nbytes > MOST:
                break
    spent = comm.max(perf_counter() - start)
    return float(comm.sum(np.array([nbytes], np.float64))[0]) / spent / 1e9
