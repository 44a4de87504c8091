"""Seconds from start to finish of a job of one epoch on the digits, 2 ranks, kernels cached, beside bare imports.

``python benchmarks/startup.py`` runs, in turn, ``mpirun -n 2 hpcfl train`` on a job that trains a softmax for one
epoch, and ``mpirun -n 2 python -c "import mpi4py.MPI, numba, h5py, scipy.linalg"``. One JSON line; the ratio is of
the times.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from pairs import emit, machine, mpirun, python

BARE = "import mpi4py.MPI, numba, h5py, scipy.linalg"


def seconds(ranks: int, arguments: list[str]) -> float:
    """Return the wall time of a program on so many ranks."""
    start = perf_counter()
    python([*mpirun(), "-n", str(ranks)], arguments)
    return perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--runs", type=int, default=9)
    args = parser.parse_args()
    machine()
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job.toml"
        job.write_text(f'output = "{folder}/run"\n[train]\nepochs = 1\n')
        ours = ["-m", "hpcfl", "train", str(job), "--overwrite"]
        seconds(args.ranks, ours)  # compiles
        taken = [(seconds(args.ranks, ours), seconds(args.ranks, ["-c", BARE])) for _ in range(args.runs)]
    ratios = sorted(a / b for a, b in taken)
    line = {"case": f"1 epoch on digits, {args.ranks} ranks, seconds", "hpcfl": median(a for a, _ in taken)}
    line |= {"bare imports": median(b for _, b in taken), "ratio": median(ratios)}
    emit(line | {"least": ratios[0], "most": ratios[-1], "runs": args.runs, "target": 2.0})


if __name__ == "__main__":
    main()
