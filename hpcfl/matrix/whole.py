"""Checks that train with the part: on one rank, on two, and killed in between."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from hpcfl import config
from hpcfl.comm.communicator import alone
from hpcfl.data import h5
from hpcfl.matrix.subject import FOLDERS, Subject
from hpcfl.trainers.run import records

ROUNDS = 4


class Skip(Exception):
    """The check cannot be made here; the message says why."""


def check_trains(subject: Subject) -> None:
    """A few rounds (epochs) end with finite parameters that have moved."""
    with tempfile.TemporaryDirectory() as folder:
        w = _train(subject, Path(folder))
        assert np.isfinite(w).all(), "the parameters are not finite"
        assert np.abs(w).max() > 0, "the parameters have not moved from 0"


def check_resumes(subject: Subject) -> None:
    """Killed half way and resumed, it ends at the same bits: no state hides outside of the checkpoint."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        whole = _train(subject, Path(one))
        _train(subject, Path(two), ROUNDS // 2)
        again = _train(subject, Path(two), ROUNDS, "must")
        assert np.array_equal(whole, again), f"resumed, it differs by {np.abs(whole - again).max():.2g}"


def check_ranks(subject: Subject) -> None:
    """Two ranks end at the bits of one."""
    launch = _launcher()
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        whole = _train(subject, Path(one))
        (Path(two) / "job.toml").write_text(tomli_w.dumps(_job(subject, Path(two), ROUNDS)))
        command = [*launch, "-n", "2", sys.executable, "-m", "hpcfl", "train", str(Path(two) / "job.toml")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, f"2 ranks ended with {done.returncode}: {done.stderr.strip()[-300:]}"
        other = h5.read(Path(two) / "run" / "model.h5")[0]["w"]
        assert np.array_equal(whole, other), f"2 ranks differ from 1 by {np.abs(whole - other).max():.2g}"


def _launcher() -> list[str]:
    found = shutil.which("mpirun", path=str(Path(sys.executable).parent)) or shutil.which("mpirun")
    if not found:
        raise Skip("no mpirun here")
    text = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    return [found, "--allow-run-as-root", "--oversubscribe"] if "Open MPI" in text else [found]


def _train(subject: Subject, folder: Path, rounds: int = ROUNDS, resume: str = "") -> np.ndarray:
    job = config.load(_job(subject, folder, rounds))
    for _ in records(job, alone(), resume=resume):
        pass
    return h5.read(folder / "run" / "model.h5")[0]["w"]


def _job(subject: Subject, folder: Path, rounds: int) -> dict[str, Any]:
    """Return a small job with the part in its place; its data is written to `folder` if it is not there."""
    data = folder / "rows.h5"
    if not data.exists():
        _write(data, getattr(subject.cls, "task", "") or "classification", subject.cls)
    synchronous = subject.folder in ("models", "optimizers", "schedules")
    table: dict[str, Any] = {
        "output": str(folder / "run"),
        "reproducible": True,
        "data": {"train": str(data), "test": "none"},
        "model": {"name": "softmax", "dtype": "float64"},
        "optimizer": {"name": "sgd", "learning_rate": 0.05},
        "train": {"epochs": rounds, "rounds": rounds, "batch_size": 64},
        "checkpoint": {"every_seconds": 0.0},
    }
    if not synchronous:
        table["train"]["mode"] = "federated"
        table["federated"] = {"clients": 12, "clients_per_round": _cohort(subject)}
        if subject.folder == "compressors":
            table["federated"]["error_feedback"] = subject.cls.biased
        if subject.folder == "clocks":  # the order of arrivals decides the result
            table["federated"] |= {"clients_per_round": 3, "asynchronous": {"concurrency": 5}}
    section, _, name = FOLDERS[subject.folder][1].partition(".")
    if name:
        table[section][name] = dict(subject.named)
    else:
        dtype = {"dtype": "float64"} if section == "model" else {}
        table[section] = {**subject.named, **dtype}
    return table


def _cohort(subject: Subject) -> int:
    return min(12, max(6, subject.part().needs())) if hasattr(subject.cls, "needs") else 6


def _write(path: Path, task: str, cls: type[Any]) -> None:
    """Write 240 rows that a linear model can learn."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((240, 5))
    classes = 2 if hasattr(cls, "outputs") and cls().outputs(2) == 1 else 3
    score = x @ rng.standard_normal((5, classes))
    y = score[:, 0] if task == "regression" else score.argmax(axis=1)
    h5.write_atomic(path, {"x": x, "y": y}, {"format": "hpcfl", "version": 1, "task": task})
