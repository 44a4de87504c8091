"""Samples per second of synchronous SGD on 2 ranks, beside PyTorch DDP (gloo) on 2 processes.

``python benchmarks/synchronous.py`` trains the 784-200-200-10 network and the 784-10 softmax on 60,000
float32 rows by momentum SGD, with a global batch of 128 and of 512, in turn with the peer on the same rows.
Then ours against itself: 2 ranks against 1, and ``reproducible = true`` against plain. JSON lines.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from launch import peer, train
from pairs import compare, installed, machine, options, plot

ROWS, FEATURES, CLASSES = 60_000, 784, 10
MODELS: dict[str, dict[str, Any]] = {
    "mlp": {"name": "mlp", "hidden": [200, 200]},
    "softmax": {"name": "softmax"},
}
TARGETS = {("mlp", 128): 4.0, ("mlp", 512): 3.5, ("softmax", 128): 18.0, ("softmax", 512): 12.0}
EPOCHS = {"mlp": 4, "softmax": 20}  # about a second
LONG = 20  # epochs of the network beside itself, so that what a start costs does not count


def rows(path: Path) -> Path:
    """Write rows of ten blobs whose pixels are in [0, 1]."""
    from hpcfl.data.h5 import write_atomic

    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, ROWS)
    x = rng.random((CLASSES, FEATURES), np.float32)[y] + rng.standard_normal((ROWS, FEATURES), np.float32) * 0.3
    arrays = {"x": np.clip(x, 0, 1).astype(np.float32), "y": y.astype(np.int64)}
    write_atomic(path, arrays, {"format": "hpcfl", "version": 1, "task": "classification"})
    return path


def job(data: Path, model: str, batch: int, **keys: Any) -> dict[str, Any]:
    """Return the job of a case."""
    return {
        "data": {"train": str(data), "test": "none"},
        "model": MODELS[model],
        "optimizer": {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9},
        "train": {"epochs": EPOCHS[model], "batch_size": batch},
        "checkpoint": {"every_seconds": 0.0},
        **keys,
    }


def speed(table: dict[str, Any], ranks: int = 2) -> float:
    """Return the rows trained on per second."""
    return float(train(table, ranks)["samples_per_second"])


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    args = parser.parse_args()
    machine()
    with tempfile.TemporaryDirectory() as folder:
        data = rows(Path(folder) / "rows.h5")
        for (model, batch), target in TARGETS.items():
            case = f"{model}, batch {batch}, samples/s"
            if args.only in case and installed("torch"):
                plain = job(data, model, batch)
                torch = lambda m=model, b=batch: peer("ddp.py", data, m, b, EPOCHS[m])["samples_per_second"]  # noqa: E731
                compare(case, lambda j=plain: speed(j), {"PyTorch DDP": torch}, {"PyTorch DDP": target}, args.runs)
        for batch, least in ((512, 1 / 1.2), (128, 1 / 1.5)):
            case, plain = f"mlp, batch {batch}, samples/s, reproducible", job(data, "mlp", batch)
            if args.only in case:
                exact = plain | {"reproducible": True}
                compare(
                    case, lambda e=exact: speed(e), {"plain": lambda p=plain: speed(p)}, {"plain": least}, args.runs
                )
        case, plain = "mlp, batch 512, samples/s, 2 ranks", job(data, "mlp", 512)
        plain["train"]["epochs"] = LONG
        if args.only in case:
            compare(case, lambda: speed(plain), {"1 rank": lambda: speed(plain, 1)}, {"1 rank": 1.85}, args.runs)
    plot(args.plot)


if __name__ == "__main__":
    main()
