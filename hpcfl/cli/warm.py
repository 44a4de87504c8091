"""Compile the kernels that a job file needs, ahead of the job."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpcfl.config import Job


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("job", help="job file (TOML)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of the job file"
    )


def run(args: argparse.Namespace) -> int:
    """Run the job's shortest form in a temporary folder, which compiles exactly what it calls."""
    import tempfile
    from time import perf_counter

    from hpcfl.comm.communicator import world
    from hpcfl.kernels.flags import cache_folder
    from hpcfl.trainers.run import records

    comm, start = world(), perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        with comm.together("reading the job file"):
            job = shortened(args.job, tuple(args.set), folder, comm.size)
        for _ in records(job, comm):
            pass
    if comm.rank == 0:
        print(f"kernels compiled in {perf_counter() - start:.1f} s; cached in {cache_folder()}")
    return 0


def shortened(path: str, changes: tuple[str, ...], folder: str, ranks: int) -> Job:
    """Return the job with one epoch or round on a few made-up rows like its own.

    Ratings and silos are trained on as they are: which kernels a silo needs shows in its rows.
    """
    from hpcfl import config
    from hpcfl.data import standin
    from hpcfl.data.shard import row_bytes
    from hpcfl.data.table import open_table

    short = [*changes, "train.epochs=1", "train.rounds=1", "train.iterations=1", f"output='{folder}/run'"]
    job = config.load(path, tuple(short))
    if job.train.mode == "factorization" or "{client}" in str(job.data.train):
        return job
    table = open_table(job.data.train, job.data.x, job.data.y, job.data.task)
    size, file = job.train.batch_size, f"{folder}/rows.h5"
    wanted = 40 * size if isinstance(size, int) else 0  # so that a stream has rows for a step
    n = standin.write(table, Path(file), max(standin.ROWS, wanted, 64 * job.federated.clients))
    short += [f"data.train='{file}'", "data.x='x'", "data.y='y'"]
    if isinstance(job.data.test, str) and job.data.test != "none":
        short.append(f"data.test='{file}'")
    if job.data.order == "blocks":  # from disk if the job's own rows are
        streamed = table.rows / ranks * row_bytes(table) > job.data.memory_limit * 2**20
        whole = n / ranks * row_bytes(open_table(file)) / 2**20
        short.append(f"data.memory_limit={(0.6 if streamed else 2) * whole}")
    if job.train.mode == "federated":  # who has which rows changes no kernel
        short.append("federated.partition='iid'")
    return config.load(path, tuple(short))
