"""Client trainings a second in rounds of many small clients: 60-10 softmax, 30 to 200 rows, batch 10, 20 steps.

python benchmarks/cohort.py [--ranks 2] [--clients 1000] [--rounds 30] [--runs 3] [--strategies fedavg,scaffold]
[--profile]

Runs the strategies in turn and writes one JSON line for each: the mean time of a round (compiling, loading and
evaluation are not in it) and client trainings of 20 steps a second, whose spread is over the runs; with
``--profile``, also where rank 0 spends its time in Python.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from pairs import emit, in_turn, machine, options, plot, spread

from hpcfl.data import h5

STEPS, TARGET = 20, 25_000  # local steps; client trainings a second
SPEED = "client_trainings_per_second"
CODE = """
import cProfile, pstats, sys, hpcfl
from mpi4py import MPI
job, profile = {job!r}, {profile!r}
profiler = cProfile.Profile()
if profile and MPI.COMM_WORLD.rank == 0:
    profiler.runcall(hpcfl.train, job)
    pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(30)
else:
    hpcfl.train(job)
"""


def write(path: Path, clients: int) -> None:
    """Write the rows of `clients` clients, 30 to 200 each."""
    rng = np.random.default_rng(0)
    client = np.repeat(np.arange(clients), rng.integers(30, 201, clients))
    x = rng.normal(size=(client.size, 60)).astype(np.float32)
    y = (x @ rng.normal(size=(60, 10)) + rng.gumbel(size=(client.size, 10))).argmax(1)
    attrs = {"format": "hpcfl", "version": 1, "task": "classification"}
    h5.write_atomic(path, {"x": x, "y": y, "client": client}, attrs)


def measure(folder: Path, strategy: str, args: argparse.Namespace) -> float:
    """Return the mean seconds of a round of one strategy."""
    job = {
        "output": str(folder / strategy),
        "data": {"train": str(folder / "clients.h5"), "test": "none"},
        "model": {"name": "softmax"},
        "optimizer": {"learning_rate": 0.05},
        "train": {"mode": "federated", "rounds": args.rounds},
        "checkpoint": {"every_seconds": 0.0},
        "federated": {
            "partition": "column",
            "clients_per_round": args.clients,
            "local_steps": STEPS,
            "strategy": strategy,
        },
    }
    command = [args.launcher, "-n", str(args.ranks), sys.executable, "-c", CODE.format(job=job, profile=args.profile)]
    shutil.rmtree(folder / strategy, ignore_errors=True)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    log = [json.loads(line) for line in (folder / strategy / "log.jsonl").read_text().splitlines()]
    return float(np.mean([record["seconds"] for record in log[2:]]))


def main() -> None:
    """Print one JSON line a strategy."""
    parser = options(__doc__)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--strategies", default="fedavg,fedprox,scaffold")
    parser.add_argument("--launcher", default="mpirun")
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "clients.h5", args.clients)
        ways = {name: partial(measure, folder, name, args) for name in args.strategies.split(",")}
        for strategy, seconds in in_turn(ways, args.runs).items():
            line = {"case": strategy, "ranks": args.ranks, "clients_per_round": args.clients, "steps": STEPS}
            line |= {"seconds_per_round": float(np.median(seconds))}
            emit(line | spread(SPEED, [args.clients / s for s in seconds]) | {"target": TARGET})
    plot(args.plot, SPEED)


if __name__ == "__main__":
    main()
