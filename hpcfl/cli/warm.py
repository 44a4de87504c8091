"""Compile the kernels that a job file needs, ahead of the job."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("job", help="job file (TOML)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of the job file"
    )


def run(args: argparse.Namespace) -> int:
    """Run the job's shortest form in a temporary folder, which compiles exactly what it calls."""
    import tempfile
    from pathlib import Path
    from time import perf_counter

    from hpcfl import config
    from hpcfl.comm.communicator import world
    from hpcfl.kernels.flags import cache_folder
    from hpcfl.trainers.run import records

    comm, start = world(), perf_counter()
    short = ("train.epochs=1", "train.rounds=1", "train.iterations=1")
    with tempfile.TemporaryDirectory() as folder:
        where = str(Path(folder) / "run")
        with comm.together("reading the job file"):
            job = config.load(args.job, (*args.set, *short, f"output='{where}'"))
        for _ in records(job, comm):
            pass
    if comm.rank == 0:
        print(f"kernels compiled in {perf_counter() - start:.1f} s; cached in {cache_folder()}")
    return 0
