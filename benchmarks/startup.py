"""Seconds from start to finish of a job of one epoch on the digits, 2 ranks, kernels cached, beside bare imports.

``python benchmarks/startup.py`` runs, in turn, ``mpirun -n 2 hpcfl train`` on a job that trains a softmax for one
epoch, and ``mpirun -n 2 python -c "import mpi4py.MPI, numba, h5py, scipy.linalg"``. One JSON line; the ratio is of
the times.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

from launch import mpirun, python
from pairs import emit, in_turn, machine, options, plot, ratio

BARE = "import mpi4py.MPI, numba, h5py, scipy.linalg"


def seconds(ranks: int, arguments: list[str]) -> float:
    """Return the wall time of a program on so many ranks."""
    start = perf_counter()
    python([*mpirun(), "-n", str(ranks)], arguments)
    return perf_counter() - start


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--runs", type=int, default=9)
    args = parser.parse_args()
    machine()
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job.toml"
        job.write_text(f'output = "{folder}/run"\n[train]\nepochs = 1\n')
        ours = ["-m", "hpcfl", "train", str(job), "--overwrite"]
        ways = {"hpcfl": ours, "bare imports": ["-c", BARE]}
        taken = in_turn({name: partial(seconds, args.ranks, way) for name, way in ways.items()}, args.runs)
    line = {"case": f"1 epoch on digits, {args.ranks} ranks, seconds", "peer": "bare imports"}
    line |= {name: median(spent) for name, spent in taken.items()}
    emit(line | ratio(*taken.values()) | {"at most": 2.0})
    plot(args.plot)


if __name__ == "__main__":
    main()
