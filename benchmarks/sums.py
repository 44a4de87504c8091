"""Sums a second of a 4 MB vector over 2 ranks: ours, beside a bare mpi4py loop and Intel's C benchmark IMB-MPI1.

``python benchmarks/sums.py`` takes in turn the sum that a training step makes (``hpcfl.comm.summer``), ``Allreduce`` in
a loop of mpi4py under the same MPI, and ``IMB-MPI1 Allreduce`` under Intel MPI. ``--imb FOLDER`` is the folder of its
programs (``pip install impi-rt`` puts them into ``bin``). JSON lines.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from launch import BIN, mpirun, python
from pairs import compare, emit, machine, options, plot

OURS = """
import json, sys
from hpcfl.bench.sums import measure
from hpcfl.comm.communicator import world
comm = world()
slowest = comm.max(measure(comm, int(sys.argv[1])))
if comm.rank == 0:
    print(json.dumps({"seconds": slowest}))
"""


def rate(arguments: list[str], elements: int, ranks: int) -> float:
    """Return the sums a second that a Python program prints."""
    out = python([*mpirun(), "-n", str(ranks)], [*arguments, str(elements)])
    return 1 / float(json.loads(out.strip().splitlines()[-1])["seconds"])


def imb(folder: Path, elements: int, ranks: int) -> float:
    """Return the sums a second that IMB-MPI1 reports (its average)."""
    log = str((4 * elements).bit_length() - 1)
    command = [str(folder / "mpiexec.hydra"), "-n", str(ranks), str(folder / "IMB-MPI1"), "Allreduce"]
    command += ["-npmin", str(ranks), "-msglog", f"{log}:{log}", "-iter", "400", "-iter_policy", "off"]
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PMI", "MPI"))}
    env["LD_LIBRARY_PATH"] = f"{folder.parent / 'lib'}:{env.get('LD_LIBRARY_PATH', '')}"
    out = subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout
    rows = (line.split() for line in out.splitlines())
    return 1e6 / next(float(row[4]) for row in rows if row[:1] == [str(4 * elements)])


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--elements", type=int, default=1 << 20, help="float32 numbers, a power of two")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--imb", type=Path, default=BIN, help="folder of IMB-MPI1 and mpiexec.hydra")
    args = parser.parse_args()
    machine()
    loop = str(Path(__file__).parent / "peers" / "allreduce.py")
    peers = {"mpi4py": lambda: rate([loop], args.elements, args.ranks)}
    if (args.imb / "IMB-MPI1").exists():
        peers["IMB-MPI1"] = lambda: imb(args.imb, args.elements, args.ranks)
    else:
        emit({"peer": "IMB-MPI1", "missing": "pip install impi-rt, and give --imb its folder of programs"})
    case = f"sum of {4 * args.elements >> 10} KiB over {args.ranks} ranks, sums/s"
    ours = lambda: rate(["-c", OURS], args.elements, args.ranks)  # noqa: E731
    compare(case, ours, peers, dict.fromkeys(peers, 1 / 1.05), args.runs)
    plot(args.plot)


if __name__ == "__main__":
    main()
