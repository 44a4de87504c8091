"""Making the runs of a sweep that are not made yet, and reading what all of them logged."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hpcfl import config
from hpcfl.comm.communicator import Comm
from hpcfl.config import Job
from hpcfl.errors import DivergedError, UsageError
from hpcfl.sweep.grid import Run
from hpcfl.trainers.run import records


class Made(NamedTuple):
    """A run that is over: its log's records; none if it diverged."""

    run: Run
    records: list[dict[str, Any]]


def perform(runs: list[Run], comm: Comm, say: Callable[[str], None]) -> list[Made]:
    """Make each run that is not finished, going on from its checkpoint if there is one (collective).

    Parameters
    ----------
    say : function
        Takes a line about each run.

    Raises
    ------
    UsageError
        A finished run was made by another job.
    """
    out = []
    for number, run in enumerate(runs, 1):
        name = f"[{number}/{len(runs)}] {run.point} seed {run.seed}".replace("  ", " ")
        if finished(run.job, comm):
            say(f"{name}: finished already")
            out.append(Made(run, logged(run.job)))
            continue
        try:
            for _ in records(run.job, comm, resume="auto"):
                pass
            made = Made(run, logged(run.job))
            say(f"{name}: {_numbers(made.records)}")
            out.append(made)
        except DivergedError as error:
            if not error.agreed:
                raise
            say(f"{name}: {error}")
            out.append(Made(run, []))
    return out


def _numbers(records: list[dict[str, Any]]) -> str:
    last = records[-1] if records else {}
    found = {"train_loss": last.get("train_loss")} | last.get("test", {})
    return ", ".join(f"{name} {v:.4g}" for name, v in found.items() if isinstance(v, float))


def finished(job: Job, comm: Comm) -> bool:
    """Return whether the job's run directory holds its finished run (collective; rank 0 looks)."""
    answer = np.zeros(1)
    with comm.together("looking for finished runs"):
        if comm.rank == 0 and (Path(job.output) / "summary.json").is_file():
            _compare(job)
            answer[:] = 1
    return bool(comm.bcast(answer, purpose="sweep")[0])


def logged(job: Job) -> list[dict[str, Any]]:
    """Return the records of a finished run; [] if this rank cannot see its folder."""
    path = Path(job.output) / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def _compare(job: Job) -> None:
    """Refuse results of another job."""
    path = Path(job.output) / "job.toml"
    table = tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
    if config.load(table) != job:
        raise UsageError(
            f"{job.output} holds a run of another job; remove it, or write elsewhere with --set output=..."
        )
