"""Peak memory of a rank beside its rows and its vectors of parameters.

``python benchmarks/memory.py`` trains a network with one hidden layer by momentum SGD, once with few and once with
many parameters, on 1 and 2 ranks. A JSON line each: MB at the peak of the largest rank, of its rows, of a vector
of the parameters, and the vectors that the rest comes to once 300 MB for interpreter, libraries and kernels are off.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from launch import train
from pairs import emit, machine, options, plot

FEATURES, CASES = 2000, {"rows": (40_000, 100), "parameters": (1000, 10_000)}  # rows, width of the hidden layer


def write(path: Path, rows: int) -> Path:
    """Write random float32 rows of two classes."""
    from hpcfl.data.h5 import write_atomic

    x = np.random.default_rng(0).random((rows, FEATURES), np.float32)
    write_atomic(path, {"x": x, "y": (x[:, 0] > 0.5).astype(np.int64)}, {"format": "hpcfl", "task": "classification"})
    return path


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()
    machine()
    for many, (rows, hidden) in CASES.items():
        for ranks in args.ranks:
            with tempfile.TemporaryDirectory() as folder:
                job: dict[str, Any] = {
                    "data": {"train": str(write(Path(folder) / "rows.h5", rows)), "test": "none"},
                    "model": {"name": "mlp", "hidden": [hidden]},
                    "optimizer": {"name": "sgd", "learning_rate": 1e-3, "momentum": 0.9},
                    "train": {"epochs": 1, "batch_size": 250},
                }
                peak = train(job, ranks)["peak_memory_bytes"] / 1e6
            own, vector = rows / ranks * FEATURES * 4 / 1e6, ((FEATURES + 1) * hidden + (hidden + 1) * 2) * 4 / 1e6
            line = {"case": f"many {many}, {ranks} rank(s)", "peak_MB": peak, "rows_MB": own, "vector_MB": vector}
            emit(line | {"at most": own + 6 * vector + 300, "vectors": (peak - own - 300) / vector})
    plot(args.plot, "peak_MB")


if __name__ == "__main__":
    main()
