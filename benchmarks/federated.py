"""Rounds per second of federated averaging on 2 ranks, beside Flower's simulation and pfl-research.

``python benchmarks/federated.py`` runs 100 clients of 600 rows with the 784-200-200-10 network, and 30 clients of
200 rows with the 60-10 softmax; 10 clients a round, one epoch, batch 10, local SGD. JSON lines.
Flower simulates on Ray with one CPU a client, pfl-research in one process, both on the same arrays.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from pairs import compare, installed, machine, peer, train

CASES: dict[str, dict[str, Any]] = {
    "mlp": {"clients": 100, "rows": 600, "features": 784, "rounds": 40, "theirs": 12},
    "softmax": {"clients": 30, "rows": 200, "features": 60, "rounds": 2000, "theirs": 20},
}
MODELS: dict[str, dict[str, Any]] = {"mlp": {"name": "mlp", "hidden": [200, 200]}, "softmax": {"name": "softmax"}}
TARGETS = {"mlp": {"Flower": 8.0, "pfl-research": 6.0}, "softmax": {"Flower": 800.0, "pfl-research": 100.0}}


def rows(path: Path, case: dict[str, Any]) -> Path:
    """Write the rows of all clients, with the column that deals them."""
    from hpcfl.data.h5 import write_atomic

    rng, n = np.random.default_rng(0), case["clients"] * case["rows"]
    y = rng.integers(0, 10, n)
    x = rng.random((10, case["features"]), np.float32)[y] + rng.standard_normal((n, case["features"]), np.float32) * 0.3
    client = np.repeat(np.arange(case["clients"]), case["rows"])
    arrays = {"x": x.astype(np.float32), "y": y.astype(np.int64), "client": client}
    write_atomic(path, arrays, {"format": "hpcfl", "version": 1, "task": "classification"})
    return path


def job(data: Path, name: str) -> dict[str, Any]:
    """Return the job of a case."""
    case = CASES[name]
    return {
        "data": {"train": str(data), "test": "none"},
        "model": MODELS[name],
        "optimizer": {"name": "sgd", "learning_rate": 0.05},
        "train": {"mode": "federated", "rounds": case["rounds"]},
        "federated": {
            "clients": case["clients"],
            "partition": {"name": "column"},
            "clients_per_round": 10,
            "batch_size": 10,
        },
        "checkpoint": {"every_seconds": 0.0},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="", help="the case of this name")
    args = parser.parse_args()
    machine()
    found = {"Flower": ("flwr", "flower.py"), "pfl-research": ("pfl", "pfl_research.py")}
    scripts = {name: script for name, (package, script) in found.items() if installed(package)}
    with tempfile.TemporaryDirectory() as folder:
        for name, case in CASES.items():
            if args.only not in ("", name):
                continue
            data = rows(Path(folder) / f"{name}.h5", case)
            table = job(data, name)

            def ours(table: dict[str, Any] = table) -> float:
                return 1 / float(train(table)["seconds_per_round"])

            peers = {
                who: lambda s=script, d=data, n=name, k=case["theirs"]: 1 / peer(s, d, n, k)["seconds_per_round"]
                for who, script in scripts.items()
            }
            compare(f"fedavg {name}, rounds/s", ours, peers or {"nobody": lambda: 1.0}, TARGETS[name], args.runs)


if __name__ == "__main__":
    main()
