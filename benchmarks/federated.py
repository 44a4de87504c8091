"""Rounds per second of federated averaging on 2 ranks, beside Flower's simulation and pfl-research.

``python benchmarks/federated.py`` runs 100 clients of 600 rows with the 784-200-200-10 network, and 30 clients of
200 rows with the 60-10 softmax; 10 clients a round, one epoch, batch 10, local SGD. JSON lines: first, for each case,
the mean loss and the accuracy on all rows that each of them comes to in the same rounds, which shows that they do the
same work; then the rounds a second. A round is all that comes between two records: ours writes its log in it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from launch import mpirun, peer, python
from pairs import compare, emit, installed, machine, options, plot

CASES: dict[str, dict[str, Any]] = {
    "mlp": {"clients": 100, "rows": 600, "features": 784, "rounds": 40, "theirs": 9},
    "softmax": {"clients": 30, "rows": 200, "features": 60, "rounds": 2000, "theirs": 15},
}
MODELS: dict[str, dict[str, Any]] = {"mlp": {"name": "mlp", "hidden": [200, 200]}, "softmax": {"name": "softmax"}}
TARGETS = {"mlp": {"Flower": 8.0, "pfl-research": 6.0}, "softmax": {"Flower": 800.0, "pfl-research": 100.0}}
PEERS = {  # package, script, its further arguments
    "Flower": ("flwr", "flower.py", ()),
    "Flower, server polls every 2 ms": ("flwr", "flower.py", (0.002,)),
    "pfl-research": ("pfl", "pfl_research.py", ()),
}
APART = 3.5  # distance of two classes' means, in standard deviations of a row
OURS = """
import json
from time import perf_counter
import h5py, numpy as np, hpcfl
from mpi4py import MPI
job, times = {job!r}, [perf_counter()]
for record in hpcfl.rounds(job):
    times.append(perf_counter())
if MPI.COMM_WORLD.rank == 0:
    test = record["test"]
    found = {{"seconds_per_round": (times[-2] - times[2]) / (len(times) - 4)}}
    print(json.dumps(found | {{"loss": test["log_loss"], "accuracy": test["accuracy"]}}))
"""


def rows(path: Path, case: dict[str, Any]) -> Path:
    """Write the rows of all clients, with the column that deals them; some rows of each class look like others."""
    from hpcfl.data.h5 import write_atomic

    rng, n, d = np.random.default_rng(0), case["clients"] * case["rows"], case["features"]
    y = rng.integers(0, 10, n)
    means = rng.standard_normal((10, d)) * APART / np.sqrt(2 * d)
    x = 0.3 * (means[y] + rng.standard_normal((n, d)))
    client = np.repeat(np.arange(case["clients"]), case["rows"])
    arrays = {"x": x.astype(np.float32), "y": y.astype(np.int64), "client": client}
    write_atomic(path, arrays, {"format": "hpcfl", "version": 1, "task": "classification"})
    return path


def job(data: Path, name: str, rounds: int) -> dict[str, Any]:
    """Return the job of a case, evaluated once, at its end, on the rows that it trained on."""
    case = CASES[name]
    return {
        "data": {"train": str(data), "test": str(data)},
        "model": MODELS[name],
        "optimizer": {"name": "sgd", "learning_rate": 0.05},
        "train": {"mode": "federated", "rounds": rounds},
        "federated": {
            "clients": case["clients"],
            "partition": {"name": "column"},
            "clients_per_round": 10,
            "batch_size": 10,
        },
        "evaluate": {"every": rounds},
        "checkpoint": {"every_seconds": 0.0},
    }


def ours(data: Path, name: str, rounds: int) -> dict[str, float]:
    """Return seconds a round, loss and accuracy of so many of our rounds on 2 ranks."""
    with tempfile.TemporaryDirectory() as folder:
        code = OURS.format(job=job(data, name, rounds) | {"output": str(Path(folder) / "run")})
        return dict(json.loads(python([*mpirun(), "-n", "2"], ["-c", code]).strip().splitlines()[-1]))


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="", help="the case of this name")
    args = parser.parse_args()
    machine()
    there = {package: installed(package) for package, _, _ in PEERS.values()}
    with tempfile.TemporaryDirectory() as folder:
        for name, case in CASES.items():
            if args.only in ("", name):
                data = rows(Path(folder) / f"{name}.h5", case)
                run(data, name, {who: each for who, each in PEERS.items() if there[each[0]]}, args.runs)
    plot(args.plot)


def run(data: Path, name: str, peers: dict[str, tuple[str, str, tuple[float, ...]]], runs: int) -> None:
    """Print a case's lines: the same work, then the pairs."""
    case = CASES[name]

    def other(script: str, more: tuple[float, ...]) -> dict[str, Any]:
        return peer(script, data, name, case["theirs"], *more)

    emit({"case": name, "rounds": case["theirs"], "who": "hpcfl", **ours(data, name, case["theirs"])})
    for who, (_, script, more) in peers.items():
        emit({"case": name, "rounds": case["theirs"], "who": who, **other(script, more)})
    speeds: dict[str, Callable[[], float]] = {
        who: lambda s=script, m=more: 1 / other(s, m)["seconds_per_round"] for who, (_, script, more) in peers.items()
    }
    own = lambda: 1 / ours(data, name, case["rounds"])["seconds_per_round"]  # noqa: E731
    compare(f"fedavg {name}, rounds/s", own, speeds, TARGETS[name], runs)


if __name__ == "__main__":
    main()
