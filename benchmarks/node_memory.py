"""Memory of a node that simulates clients: its ranks hold the rows once, between them.

python benchmarks/node_memory.py [--ranks 1,2,4] [--megabytes 400] [--launcher mpirun]

Writes one JSON line a number of ranks. Each rank watches its share of the memory (``Pss``: a page that k ranks see
counts a k-th for each) from start to end of a run of one round; ``peak_bytes`` is the sum of the ranks' peaks, so
the node's peak is at most that. ``bytes_without_rows`` is the same of a run on 1,000 rows: interpreters, libraries,
kernels.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

WIDTH = 784
CODE = """
import re, threading, time, hpcfl
from pathlib import Path
from mpi4py import MPI
peak, over = [0], threading.Event()
def watch():
    while not over.wait(0.01):
        text = Path("/proc/self/smaps_rollup").read_text()
        peak[0] = max(peak[0], int(re.search(r"^Pss:\\s+(\\d+)", text, re.M).group(1)) << 10)
thread = threading.Thread(target=watch)
thread.start()
hpcfl.train({job!r})
over.set()
thread.join()
total = MPI.COMM_WORLD.reduce(peak[0])
if MPI.COMM_WORLD.rank == 0:
    print("PEAK", total)
"""


def write(path: Path, rows: int) -> None:
    """Write `rows` rows of 784 float32 features."""
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        x = file.create_dataset("x", (rows, WIDTH), np.float32)
        for a in range(0, rows, 10000):
            x[a : a + 10000] = rng.random((min(10000, rows - a), WIDTH), np.float32)
        file["y"] = np.arange(rows) % 10
        file.attrs.update(format="hpcfl", version=1, task="classification")


def peak(folder: Path, file: Path, ranks: int, launcher: str) -> int:
    """Return the sum of the ranks' peaks."""
    job = {
        "output": str(folder / f"{file.stem}-{ranks}"),
        "data": {"train": str(file), "test": "none"},
        "model": {"name": "softmax"},
        "train": {"mode": "federated", "rounds": 1},
        "federated": {"clients": 100},
    }
    command = [launcher, "-n", str(ranks), sys.executable, "-c", CODE.format(job=job)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(text.split("PEAK")[1])


def main() -> None:
    """Print one JSON line a number of ranks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", default="1,2,4")
    parser.add_argument("--megabytes", type=int, default=400)
    parser.add_argument("--launcher", default="mpirun")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = args.megabytes * 10**6 // (WIDTH * 4)
        write(folder / "many.h5", rows)
        write(folder / "few.h5", 1000)
        for ranks in map(int, args.ranks.split(",")):
            many, few = (peak(folder, folder / f"{n}.h5", ranks, args.launcher) for n in ("many", "few"))
            line = {"ranks": ranks, "bytes_of_rows": rows * WIDTH * 4, "peak_bytes": many, "bytes_without_rows": few}
            print(json.dumps({**line, "rows_held": round((many - few) / (rows * WIDTH * 4), 3)}), flush=True)


if __name__ == "__main__":
    main()
