"""Seconds of an epoch on rows that are streamed, beside the same rows in memory and a bare h5py loop.

``python benchmarks/streaming.py`` trains a softmax on 600,000 uint8 rows of 784 features (470 MB, chunks of 1 MiB as
``hpcfl convert`` writes them) with a ``data.memory_limit`` of 128 MiB a rank, of which windows take 64 and rows that
stay in memory the rest, and with one for the windows alone; in turn with the same order of rows in memory and with a
loop of ``read_direct`` over the same file. The file has just been written, so it is in the page cache: what is measured
is the work of reading, not a disk. Medians; the ratio is to the slower of the last two.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from launch import mpirun, python, train
from pairs import emit, in_turn, machine, options, plot, ratio

WIDTH, EPOCHS, PART = 784, 4, 10_000
LIMITS = {"streamed": 128.0, "windows alone": 66.0}  # MiB of rows a rank, of two


def write(path: Path, rows: int) -> Path:
    """Write random rows of ten classes, block by block."""
    from hpcfl.data.writer import Draft
    from hpcfl.data.writer import write as save

    def blocks() -> Iterator[dict[str, np.ndarray]]:
        rng = np.random.default_rng(0)
        for a in range(0, rows, PART):
            n = min(PART, rows - a)
            yield {"x": rng.integers(0, 256, (n, WIDTH), np.uint8), "y": rng.integers(0, 10, n)}

    columns = {"x": ((rows, WIDTH), np.dtype(np.uint8)), "y": ((rows,), np.dtype(np.int64))}
    save(Draft(columns, {"task": "classification", "classes": list("0123456789")}, blocks), path)
    return path


def epoch(path: Path, limit: float, ranks: int, batch: int, rows: int) -> float:
    """Return the seconds of an epoch with so many MiB of rows a rank."""
    job: dict[str, Any] = {
        "data": {"train": str(path), "test": "none", "order": "blocks", "memory_limit": limit},
        "model": {"name": "softmax"},
        "optimizer": {"name": "sgd", "learning_rate": 1e-6},
        "train": {"epochs": EPOCHS, "batch_size": batch},
        "checkpoint": {"every_seconds": 0.0},
    }
    return rows / float(train(job, ranks)["samples_per_second"])


def loop(path: Path, ranks: int) -> float:
    """Return the seconds of the bare loop."""
    script = str(Path(__file__).parent / "peers" / "read_direct.py")
    out = python([*mpirun(), "-n", str(ranks)], [script, str(path)])
    return float(json.loads(out.strip().splitlines()[-1])["seconds"])


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rows", type=int, default=600_000)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    machine()
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "rows.h5", args.rows)
        ways: dict[str, Callable[[], float]] = {
            name: partial(epoch, path, limit, args.ranks, args.batch, args.rows)
            for name, limit in {**LIMITS, "in memory": 1e6}.items()
        }
        ways["read_direct"] = partial(loop, path, args.ranks)
        taken = in_turn(ways, args.runs)
    slower = [max(pair) for pair in zip(taken["in memory"], taken["read_direct"], strict=True)]
    emit({"case": f"seconds an epoch, {args.rows} rows"} | {way: median(spent) for way, spent in taken.items()})
    for way, limit in LIMITS.items():
        emit({"case": f"{way}, {limit:g} MiB"} | ratio(taken[way], slower) | {"at most": 1.3})
    plot(args.plot)


if __name__ == "__main__":
    main()
