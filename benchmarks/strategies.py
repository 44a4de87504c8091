"""Every strategy beside FedAvg on the same work: mean seconds a round, in turns, one JSON line a strategy.

``mpirun -n 2 python benchmarks/strategies.py``; 10 clients a round, 1 epoch, batch 10, as in ``federated.py``: of 30
clients with 200 rows, 60-10 softmax, or, with ``--model mlp``, of 100 with 600 rows, the 784-200-200-10 network.
FedProx and SCAFFOLD are to stay within 1.3 of FedAvg.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from mpi4py import MPI
from pairs import emit, in_turn, machine, options, plot, ratio

import hpcfl
from hpcfl import registry

AT_MOST = {"fedprox": 1.3, "scaffold": 1.3}  # times FedAvg's seconds
MODELS = {  # and features, clients, rows of each
    "softmax": ({"name": "softmax"}, 60, 30, 200),
    "mlp": ({"name": "mlp", "hidden": [200, 200]}, 784, 100, 600),
}


def write(path: Path, features: int, clients: int, rows: int) -> None:
    """Write rows of 10 classes that differ by client."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows * clients, features)).astype(np.float32)
    with h5py.File(path, "w") as file:
        file["x"], file["y"] = x, (x[:, :10] + rng.gumbel(size=(len(x), 10))).argmax(1)
        file["client"] = np.repeat(np.arange(clients), rows)


def seconds(folder: Path, model: dict[str, Any], strategy: str, rounds: int) -> float:
    """Return the mean seconds of a round of one run, the first rounds left out."""
    own = {"head": ["b"]} if (model["name"], strategy) == ("softmax", "fedrep") else {}  # it has one layer only
    table = {
        "output": str(folder / "run"),
        "data": {"train": str(folder / "rows.h5"), "test": "none"},
        "model": model,
        "optimizer": {"learning_rate": 0.01},
        "train": {"mode": "federated", "rounds": rounds},
        "evaluate": {"personal": False},
        "checkpoint": {"every_seconds": 0.0},
        "federated": {"partition": "column", "strategy": {"name": strategy, **own}},
    }
    spent = [record["seconds"] for record in hpcfl.rounds(table, overwrite=True)]
    return float(np.mean(spent[2:]))


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--model", choices=list(MODELS), default="softmax")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("strategies", nargs="*", help="which; all unless given")
    args = parser.parse_args()
    comm, (model, *sizes) = MPI.COMM_WORLD, MODELS[args.model]
    names = ["fedavg", *(n for n in args.strategies or registry.names("strategies") if n != "fedavg")]
    folder = Path(comm.bcast(tempfile.mkdtemp() if comm.rank == 0 else None))
    if comm.rank == 0:
        machine()
        write(folder / "rows.h5", *sizes)
    comm.barrier()
    found = in_turn({name: partial(seconds, folder, model, name, args.rounds) for name in names}, args.turns)
    if comm.rank == 0:
        for name, times in found.items():
            line = {"case": f"{name}, {args.model}, seconds a round", "peer": "fedavg", "ranks": comm.size}
            line |= {"seconds_per_round": float(np.median(times))} | ratio(times, found["fedavg"])
            emit(line | {"at most": AT_MOST.get(name)})
        plot(args.plot)


if __name__ == "__main__":
    main()
