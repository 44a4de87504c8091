"""Time of an epoch on rows that are streamed, beside the same rows in memory and a bare h5py loop.

python benchmarks/streaming.py [--ranks 2] [--rows 600000] [--runs 5] [--batch 512] [--launcher mpirun]

Softmax on uint8 rows of 784 features. In each run, in turn: ``data.order = "blocks"`` with a
memory_limit below the file's size, the same order in memory, and on each rank a loop of
``read_direct`` over its half of the file, 256 KiB at a time. One JSON line: medians of seconds an
epoch, and streaming's ratio to the slower of the other two. The file is in the page cache if it fits.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

WIDTH = 784
TRAIN = """
import json, sys
from hpcfl import config
from hpcfl.comm.communicator import world
from hpcfl.trainers.run import records
seconds = [r["seconds"] for r in records(config.load(json.loads(sys.argv[1])), world(), True)]
if world().rank == 0:
    print(json.dumps(sorted(seconds[1:])[len(seconds[1:]) // 2]))
"""
LOOP = """
import sys, time
import h5py, numpy as np
from mpi4py import MPI
comm, step = MPI.COMM_WORLD, (1 << 18) // 784
with h5py.File(sys.argv[1], "r", locking=False) as file:
    x = file["x"]
    a, b = (x.shape[0] * r // comm.size for r in (comm.rank, comm.rank + 1))
    out = np.empty((step, x.shape[1]), x.dtype)
    for _ in range(2):
        comm.Barrier()
        start = time.perf_counter()
        for i in range(a, b, step):
            m = min(step, b - i)
            x.read_direct(out, np.s_[i : i + m], np.s_[:m])
        comm.Barrier()
        spent = time.perf_counter() - start
if comm.rank == 0:
    print(spent)
"""


def write(path: Path, rows: int) -> None:
    """Write random rows of ten classes, block by block."""
    from hpcfl.data.h5 import atomic, put_attrs

    rng = np.random.default_rng(0)
    with atomic(path) as file:
        put_attrs(file, {"format": "hpcfl", "version": 1, "task": "classification", "classes": list("0123456789")})
        file.create_dataset("y", data=rng.integers(0, 10, rows))
        x = file.create_dataset("x", (rows, WIDTH), np.uint8)
        for a in range(0, rows, 10_000):
            x[a : a + 10_000] = rng.integers(0, 256, (min(10_000, rows - a), WIDTH), np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rows", type=int, default=600_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--limit", type=float, default=128.0, help="memory_limit of a rank, MiB")
    parser.add_argument("--launcher", default="mpirun", help="launcher and its options")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "rows.h5"
        write(path, args.rows)

        def launch(code: str, argument: str) -> float:
            command = [*args.launcher.split(), "-n", str(args.ranks), sys.executable, "-c", code, argument]
            found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            return float(found.split()[-1])

        def train(limit: float) -> float:
            job: dict[str, Any] = {
                "output": f"{name}/run",
                "data": {"train": str(path), "test": "none", "order": "blocks", "memory_limit": limit},
                "model": {"name": "softmax"},
                "optimizer": {"learning_rate": 1e-6},
                "train": {"epochs": 4, "batch_size": args.batch},
                "checkpoint": {"every_seconds": 0},
            }
            return launch(TRAIN, json.dumps(job))

        ways = {
            "streamed": lambda: train(args.limit),
            "in memory": lambda: train(1e6),
            "read_direct": lambda: launch(LOOP, str(path)),
        }
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(args.runs):
            for way, run in ways.items():
                times[way].append(run())
    line: dict[str, Any] = {"MiB": args.rows * WIDTH / 2**20, "memory_limit": args.limit, "ranks": args.ranks}
    line |= {way: {"seconds": median(t), "all": [round(s, 3) for s in t]} for way, t in times.items()}
    slower = max(line["in memory"]["seconds"], line["read_direct"]["seconds"])
    print(json.dumps(line | {"ratio": line["streamed"]["seconds"] / slower}))


if __name__ == "__main__":
    main()
