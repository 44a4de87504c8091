"""A run from job file to run directory: what all modes share."""

from __future__ import annotations

import importlib
import json
import resource
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from importlib import metadata
from time import perf_counter
from typing import Any

from hpcfl import __version__, config, registry
from hpcfl.callbacks.progress import Progress
from hpcfl.comm import slurm
from hpcfl.comm.communicator import Comm, library
from hpcfl.comm.signals import StopFlag
from hpcfl.comm.watchdog import watch
from hpcfl.config import Job
from hpcfl.errors import UsageError
from hpcfl.trainers.directory import Directory
from hpcfl.trainers.keeper import Keeper
from hpcfl.trainers.memory import Memory
from hpcfl.trainers.outcome import Outcome
from hpcfl.trainers.recovery import Loss, outliving

MODES = ("synchronous", "federated", "forest", "factorization")


def records(job: Job, comm: Comm, replace: bool = False, resume: str = "") -> Iterator[dict[str, Any]]:
    """Train, giving each record as it is made; the run directory is written beside (collective).

    Parameters
    ----------
    job : Job
    comm : Comm
    replace : bool
        Whether a run that is already in ``job.output`` may be removed.
    resume : {"", "must", "auto"}
        Whether to go on from its newest checkpoint; "auto" starts anew if there is none.
    """
    began = perf_counter()
    comm.traffic.forget()  # messages of a run before, as in a sweep
    mode = job.train.mode
    with comm.together("reading the job file"):
        if mode not in MODES:
            raise UsageError(f"train.mode = '{mode}'{registry.nearest(mode, list(MODES))}")
        if job.data.missing == "keep" and mode != "forest":
            raise UsageError(
                f"data.missing = 'keep': mode '{mode}' cannot use missing values; drop them, or fill them in"
            )
        module = importlib.import_module(f"hpcfl.trainers.{mode}")
    run = Run(job, comm, module, began)
    limit = comm.max(slurm.stop_after(job.train.time_limit) if comm.rank == 0 else 0.0, "stop")
    with StopFlag(limit) as stop:
        if job.comm.on_failure == "stop":
            yield from run.attempt(stop, replace, resume)
            return
        memory = Memory(comm)

        def attempt(loss: Loss | None) -> Iterator[dict[str, Any]]:
            return run.attempt(stop, replace and not loss, "auto" if loss else resume, memory, loss)

        yield from outliving(attempt, comm)


@dataclass(frozen=True)
class Run:
    """One job on one communicator, which may be attempted several times.

    Attributes
    ----------
    module : module
        The trainer.
    began : float
        When, as `perf_counter` counts.
    """

    job: Job
    comm: Comm
    module: Any
    began: float
    losses: list[dict[str, Any]] = field(default_factory=list)

    def attempt(
        self, stop: StopFlag, replace: bool, resume: str, memory: Memory | None = None, loss: Loss | None = None
    ) -> Iterator[dict[str, Any]]:
        """Train to the end, giving each record as it is made (collective)."""
        with closing(Directory(self.job, self.comm, replace, bool(resume), lock=not loss)) as directory:
            yield from self._attempt(directory, stop, resume, memory, loss)

    def _attempt(
        self, directory: Directory, stop: StopFlag, resume: str, memory: Memory | None, loss: Loss | None
    ) -> Iterator[dict[str, Any]]:
        job, comm = self.job, self.comm
        startup: float | None = None
        with watch(comm, job.comm.timeout):
            keeper = Keeper(job, comm, directory, stop, resume, memory)
            generator = self.module.epochs(job, comm, keeper)
            while True:
                try:
                    record = next(generator)
                except StopIteration as end:
                    outcome: Outcome = end.value
                    break
                if startup is None:
                    startup = perf_counter() - self.began - record.get("seconds", 0.0)
                    if loss:
                        record["lost"] = lost(loss, keeper)
                        self.losses.append(record["lost"])
                keeper.log(record)
                yield record
            keeper.check()
        summary = {"mode": job.train.mode, "ranks": comm.size, **outcome.summary, "startup_seconds": startup or 0.0}
        summary["checkpoints"] = {"written": keeper.written, "seconds": keeper.seconds}
        if self.losses:
            summary["lost"] = self.losses
        finish(job, outcome, summary, directory, comm)


def lost(loss: Loss, keeper: Keeper) -> dict[str, Any]:
    """Return what the log says of ranks that died: who, from where the others go on, and what it cost."""
    ready, position = keeper.begun
    return {"ranks": loss.ranks, "hosts": loss.hosts, "from": position, "recovery_seconds": ready - loss.noticed}


def finish(job: Job, outcome: Outcome, summary: dict[str, Any], directory: Directory, comm: Comm) -> None:
    """Write model and summary (collective)."""
    summary |= {
        "peak_memory_bytes": int(comm.max(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0)),
        "messages": comm.traffic.total(comm.mpi),
        "versions": versions(),
    }
    attrs = {"format": "hpcfl model", "mode": job.train.mode, "job": json.dumps(config.dump(job)), **outcome.attrs}
    with comm.together("writing the model"):
        directory.model(outcome.arrays, attrs)
        directory.summary(summary)


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    found = {name: metadata.version(name) for name in ("numpy", "numba", "scipy", "h5py", "mpi4py")}
    return {"hpcfl": __version__, "python": sys.version.split()[0], "mpi": library(), **found}


def train(job: Job, comm: Comm, replace: bool = False, resume: str = "") -> dict[str, Any]:
    """Train with a progress bar on rank 0 and return the last record (collective)."""
    record: dict[str, Any] = {}
    with Progress(job, comm) as progress:
        for record in records(job, comm, replace, resume):
            progress.show(record)
    return record
