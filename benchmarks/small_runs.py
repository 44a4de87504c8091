"""Short federated runs and what to read off them, for `papers.py`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import hpcfl
from hpcfl.data import samples


def train(
    folder: Path, data: dict | str, rounds: int, rate: float, every: int = 1, **federated: Any
) -> Iterator[dict[str, Any]]:
    """Run a federated job record by record; of `federated`, the keys model, seed and momentum go elsewhere."""
    if isinstance(data, str):  # a sample that comes with its split
        data = {"train": f"sample:{data}/train", "test": f"sample:{data}/test"}
    model, seed, momentum = (federated.pop(n, d) for n, d in (("model", {}), ("seed", 0), ("momentum", 0.0)))
    table = {
        "seed": seed,
        "output": str(folder / "run"),
        "data": data,
        "model": model,
        "optimizer": {"learning_rate": rate, "momentum": momentum},
        "train": {"mode": "federated", "rounds": rounds},
        "evaluate": {"every": every},
        "checkpoint": {"every_seconds": 0.0},
        "federated": {"partition": "column", **federated},
    }
    return hpcfl.rounds(table, overwrite=True)


def run(folder: Path, *given: Any, **federated: Any) -> dict[str, Any]:
    """Run a job (see `train`) to its end and return its last record."""
    return deque(train(folder, *given, **federated), 1)[0]


def parameters(folder: Path) -> np.ndarray:
    """Return the model that the last `run` left."""
    with h5py.File(folder / "run" / "model.h5") as file:
        return file["w"][()]


def late(records: Iterable[dict[str, Any]], first: int, *metrics: str) -> list[float]:
    """Return the means of test metrics over the rounds from `first` on."""
    tests = [r["test"] for r in records if "test" in r and r["round"] >= first]
    return [float(np.mean([t[metric] for t in tests])) for metric in metrics]


def until(records: Iterable[dict[str, Any]], reached: Callable[[dict[str, Any]], bool]) -> int | None:
    """Return the first round whose test metrics satisfy `reached`, and train no further."""
    return next((r["round"] for r in records if reached(r["test"])), None)


def squares(folder: Path, x: np.ndarray, y: np.ndarray, client: np.ndarray) -> dict[str, Any]:
    """Write rows for least squares, which makes each client a quadratic, and return ``[data]``."""
    with h5py.File(folder / "squares.h5", "w") as file:
        file["x"], file["y"], file["client"] = x, y, client
        file.attrs["task"] = "regression"
    return {"train": str(folder / "squares.h5"), "test": "none"}


def clients_accuracy(w: np.ndarray, sample: str) -> np.ndarray:
    """Return the accuracy of a softmax model on each client's rows of a sample."""
    with h5py.File(samples.path(sample)) as file:
        x, y, client = file["x"][()], file["y"][()], file["client"][()]
    k = (w.size) // (x.shape[1] + 1)
    right = (x @ w[:-k].reshape(-1, k) + w[-k:]).argmax(axis=1) == y
    return np.bincount(client, right) / np.bincount(client)
