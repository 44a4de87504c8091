"""A progress bar on rank 0: tqdm, since it also behaves in log files and notebooks."""

from __future__ import annotations

import sys
from functools import partial
from types import TracebackType
from typing import Any

from tqdm import tqdm

from hpcfl.comm.communicator import Comm
from hpcfl.config import Job

STEPS = {"synchronous": "epochs", "federated": "rounds", "factorization": "iterations"}
WORDS = {"epochs": "epoch", "rounds": "round", "iterations": "iteration"}
SHOWN = ("accuracy", "rmse")


class Progress:
    """Shows each record as it comes, on the rank that is the first of `comm` at that time."""

    def __init__(self, job: Job, comm: Comm) -> None:
        key = STEPS.get(job.train.mode)
        total = getattr(job.train, key) if key else getattr(job.model.rule, "trees", None)
        # In a file a bar that redraws itself is a mess: one line every few seconds instead.
        wait = 0.1 if sys.stderr.isatty() else 10.0
        unit = WORDS.get(key or "", "tree")
        # The bar ends with a carriage return, so that a message of another rank starts a line.
        shape = "{l_bar}{bar}{r_bar}\r"
        self.comm = comm
        self.make = partial(tqdm, total=total, unit=unit, mininterval=wait, bar_format=shape, ncols=100)
        self.bar = self.make(disable=comm.rank != 0)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        self.bar.close()

    def show(self, record: dict[str, Any]) -> None:
        """Move the bar to `record` and show its loss and test metric."""
        if self.bar.disable and self.comm.rank == 0:  # the rank that had the bar died
            self.bar = self.make()
        numbers = {"loss": record.get("train_loss")}
        numbers |= {name: record.get("test", {}).get(name) for name in SHOWN}
        self.bar.set_postfix({k: f"{v:.4g}" for k, v in numbers.items() if v is not None}, refresh=False)
        at = next((record[k] for k in ("epoch", "round", "iteration", "trees") if k in record), self.bar.n + 1)
        self.bar.update(at - self.bar.n)
