"""Train a job file; under mpirun or srun on all ranks."""

from __future__ import annotations

import argparse
import shlex


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("job", help="job file (TOML)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of the job file"
    )
    parser.add_argument(
        "--resume",
        nargs="?",
        const="must",
        default="",
        choices=["auto", "must"],
        metavar="auto",
        help="go on from the newest whole checkpoint; `auto` starts anew if there is none",
    )
    parser.add_argument("--overwrite", action="store_true", help="remove the run that is already in the run directory")


def run(args: argparse.Namespace) -> int:
    """Train and say where the result is."""
    from hpcfl import config
    from hpcfl.comm import slurm
    from hpcfl.comm.communicator import world
    from hpcfl.trainers.run import train

    comm = world()
    slurm.check(comm.size)
    with comm.together("reading the job file"):
        job = config.load(args.job, tuple(args.set))
    record = train(job, comm, args.overwrite, args.resume)
    if comm.rank == 0:
        report(job.output, record, job.train.mode)
    return 0


def report(output: str, record: dict, mode: str) -> None:
    """Print the result and what to do next."""
    numbers = {"train loss": record.get("train_loss")} | {
        f"test {k}": v for k, v in record.get("test", {}).items() if isinstance(v, float)
    }
    for name, value in numbers.items():
        if value is not None:
            print(f"{name:24} {value:.4f}")
    for note in record.get("notes", ()):
        print(f"note: {note}")
    print(f"run directory            {output}")
    run = shlex.quote(output)
    rated = f"hpcfl recommend {run} --user ID"
    rows = f"hpcfl evaluate {run}   |   hpcfl predict {run} FILE.h5 -o out.csv"
    print(f"try next: {rated if mode == 'factorization' else rows}")
