"""Logistic regression on CSR rows, beside scikit-learn's SGDClassifier; 2 ranks beside 1; the kernel alone.

``python benchmarks/sparse.py`` trains on 100,000 x 10,000 with 50 non-zeros a row for ten epochs, one process and one
thread each, and prints both test losses: steps of 256 rows, momentum and a cosine schedule here, single rows and a
constant step there, each with the best step size of a few. Then batches of 1,024 on 2 ranks and on 1, with a step size
at which roundings do not grow; the kernel's time per non-zero, forward and back; and rows of 10,000,000 features, whose
steps touch the columns of a batch alone, beside steps that pass over all of them (a weight decay too small to show asks
for those). JSON lines.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from launch import peer, train
from pairs import compare, emit, installed, machine, options, plot

ROWS, TEST, FEATURES, FILLED, EPOCHS = 100_000, 20_000, 10_000, 50, 10
LONG = 200  # epochs on 1 and 2 ranks, a second: ten are over in 50 ms
WIDE = 10_000_000  # features


def arrays(n: int, seed: int, features: int) -> dict[str, np.ndarray]:
    """Return CSR rows of unit length whose classes follow a logistic model."""
    rng = np.random.default_rng(seed)
    truth = np.random.default_rng(0).standard_normal(features) * 8
    indices = np.sort(rng.integers(0, features, (n, FILLED)), axis=1).astype(np.int32)
    data = np.abs(rng.standard_normal((n, FILLED)))
    data /= np.linalg.norm(data, axis=1, keepdims=True)
    y = rng.random(n) < 1 / (1 + np.exp(-(data * truth[indices]).sum(axis=1)))
    flat = {"x/data": data.reshape(-1).astype(np.float32), "x/indices": indices.reshape(-1)}
    return flat | {"x/indptr": np.arange(0, n * FILLED + 1, FILLED), "y": y.astype(np.int64)}


def write(path: Path, n: int, seed: int, features: int = FEATURES) -> str:
    """Write rows as a data file and return its path."""
    from hpcfl.data.h5 import write_atomic

    attrs = {"format": "hpcfl", "version": 1, "task": "classification", "features": features}
    write_atomic(path, arrays(n, seed, features), attrs)
    return str(path)


def job(data: str, test: str, batch: int, rate: float, epochs: int = EPOCHS) -> dict[str, Any]:
    """Return the job of a case."""
    optimizer = {"name": "sgd", "learning_rate": rate, "momentum": 0.9, "schedule": {"name": "cosine"}}
    return {
        "data": {"train": data, "test": test},
        "model": {"name": "logistic"},
        "optimizer": optimizer,
        "train": {"epochs": epochs, "batch_size": batch},
        "evaluate": {"every": epochs},
        "checkpoint": {"every_seconds": 0.0},
    }


def wide(data: str, ranks: int, **keys: Any) -> float:
    """Return the epochs a second on rows of very many features."""
    case = job(data, "none", 1024, 80.0) | {"optimizer": {"name": "sgd", "learning_rate": 80.0, **keys}}
    case["train"]["epochs"] = 3
    return 3 / float(train(case, ranks)["train_seconds"])


def kernel(path: str, batch: int) -> float:
    """Return nanoseconds per non-zero of the loss and its gradient."""
    from hpcfl.data.csr import CSR
    from hpcfl.data.h5 import read
    from hpcfl.kernels.sparse import loss_grad

    stored = read(path)[0]
    x = CSR(stored["x/data"], stored["x/indices"], stored["x/indptr"])
    y = np.stack([stored["y"], np.ones(ROWS)], axis=1).astype(np.float32)
    w, order = np.zeros(FEATURES + 1, np.float32), np.random.default_rng(1).permutation(ROWS).astype(np.int32)
    none, grad, work = np.empty((2, 0), np.float32), np.empty_like(w), np.empty(256, np.float32)
    spent = []
    for _ in range(6):
        start = perf_counter()
        for a in range(0, ROWS, batch):
            loss_grad(w, x, y, order[a : a + batch], none, np.array([1, 0, FEATURES, 1]), work, grad)
        spent.append(perf_counter() - start)
    return float(np.median(spent[1:])) / (ROWS * FILLED) * 1e9


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    machine()
    with tempfile.TemporaryDirectory() as folder:
        data, test = write(Path(folder) / "rows.h5", ROWS, 1), write(Path(folder) / "test.h5", TEST, 2)
        losses: dict[str, float] = {}

        def speed(batch: int, rate: float, ranks: int, epochs: int = EPOCHS) -> float:
            summary = train(job(data, test, batch, rate, epochs), ranks)
            losses[f"batch {batch}, {ranks} ranks"] = summary["final"]["test"]["log_loss"]
            return epochs / float(summary["train_seconds"])

        def sgd() -> float:
            found = peer("sgd_classifier.py", data, test, EPOCHS)
            losses["SGDClassifier"] = found["loss"]
            return 1 / float(found["seconds_per_epoch"])

        if installed("sklearn"):
            name = {"SGDClassifier": sgd}
            compare(
                "csr logistic, epochs/s, 1 rank", lambda: speed(256, 40.0, 1), name, {"SGDClassifier": 1.5}, args.runs
            )
        one = {"1 rank": lambda: speed(1024, 10.0, 1, LONG)}
        compare(
            "csr logistic, epochs/s, batch 1,024, 2 ranks",
            lambda: speed(1024, 10.0, 2, LONG),
            one,
            {"1 rank": 1.8},
            args.runs,
        )
        emit({"test losses": {name: round(loss, 4) for name, loss in losses.items()}})
        for batch in (256, 1024):
            emit({"case": f"csr kernel, batch {batch}", "ns per non-zero": kernel(data, batch), "at most": 7.5})
        data = write(Path(folder) / "wide.h5", ROWS, 3, WIDE)
        for ranks in (1, 2):
            dense = {"all parameters": partial(wide, data, ranks, weight_decay=1e-30)}
            compare(
                f"csr, 10,000,000 features, epochs/s, {ranks} rank(s)", partial(wide, data, ranks), dense, {}, args.runs
            )
    plot(args.plot)


if __name__ == "__main__":
    main()
