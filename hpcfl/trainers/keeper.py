"""When a run's state is written, from what it goes on, and whether it is to stop."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter

import numpy as np

from hpcfl import config
from hpcfl.comm.communicator import Comm
from hpcfl.comm.signals import StopFlag
from hpcfl.config import Job
from hpcfl.data import identity
from hpcfl.data.checkpoint import Checkpoints, Loaded
from hpcfl.data.table import expand
from hpcfl.errors import HpcflError, Stopped, UsageError
from hpcfl.trainers.directory import Directory

NOTHING, SAVE, STOP = range(3)


class Keeper:
    """Loads, saves and stops for a trainer.

    A trainer calls `load` once its data is there, `asks` before each step or round, and `keep`
    after it if any rank asked: the answer travels with the step's sums.

    Parameters
    ----------
    job : Job
    comm : Comm
    directory : Directory
    stop : StopFlag
        What asks for the end.
    resume : {"", "must", "auto"}
        Whether to go on from a checkpoint; with "must" it is an error if there is none.

    Attributes
    ----------
    seconds : float
        Time spent writing.
    written : int
        Checkpoints written.
    """

    def __init__(self, job: Job, comm: Comm, directory: Directory, stop: StopFlag, resume: str = "") -> None:
        self.job, self.comm, self.directory, self.stop, self.resume = job, comm, directory, stop, resume
        self.store = Checkpoints(directory.path / "checkpoints", comm, job.checkpoint.keep)
        self.fingerprint, self.wish, self.last = "", NOTHING, perf_counter()
        self.seconds, self.written = 0.0, 0

    def load(self, files: tuple[str, ...]) -> Loaded | None:
        """Return the checkpoint to go on from, or None to start at the beginning (collective).

        Parameters
        ----------
        files : tuple of str
            The data files, whose fingerprint is compared and stored.

        Raises
        ------
        UsageError
            There is no checkpoint but one is asked for, or it belongs to another job.
        """
        if isinstance(self.job.data.test, str) and self.job.data.test != "none":
            files = (*files, *expand(self.job.data.test))
        digest = np.zeros(64, np.uint8)
        with self.comm.together("reading the data's fingerprint"):
            if self.comm.rank == 0:
                digest[:] = np.frombuffer(identity.data(files).encode(), np.uint8)
        self.fingerprint = self.comm.bcast(digest, 0, "checkpoint").tobytes().decode()
        table = config.dump(self.job)
        loaded = self.store.load(table, self.fingerprint) if self.resume else None
        with self.comm.together("going on from a checkpoint"):
            if self.resume == "must" and loaded is None:
                raise UsageError(f"{self.store.path} holds no whole checkpoint; --resume auto starts anew then")
            self.directory.begin(loaded.position["records"] if loaded else 0)
        self.last = perf_counter()
        return loaded

    def asks(self, steps: int = 0, rounds: int = 0) -> bool:
        """Return whether this rank wants a checkpoint or a stop after step or round number so-and-so (local)."""
        when = self.job.checkpoint
        due = (steps and when.every_steps and steps % when.every_steps == 0) or (
            rounds and when.every_rounds and rounds % when.every_rounds == 0
        )
        if self.comm.rank == 0 and when.every_seconds:
            due = due or perf_counter() - self.last >= when.every_seconds
        self.wish = STOP if self.stop.raised else SAVE if due else NOTHING
        return self.wish != NOTHING

    def keep(
        self, position: Mapping[str, int], shared: Mapping[str, np.ndarray], own: Mapping[str, np.ndarray] | None = None
    ) -> bool:
        """Write a checkpoint, then stop if any rank wants to (collective); arguments as `Checkpoints.save`.

        Returns
        -------
        bool
            Whether it was written.

        Raises
        ------
        Stopped
            A signal or the time limit asked for it; all ranks raise it.
        """
        wish = int(self.comm.max(self.wish, "stop"))
        start = perf_counter()
        place = {**position, "records": self.directory.records}
        attrs = {"job": config.dump(self.job), "data": self.fingerprint}
        done = self.store.save(place, shared, own or {}, attrs)
        self.last = perf_counter()
        self.seconds += self.last - start
        self.written += done
        if wish == STOP:
            self._end(position, done)
        return done

    def _end(self, position: Mapping[str, int], done: bool) -> None:
        where = ", ".join(f"{name} {value}" for name, value in position.items())
        why = self.stop.reason or "a signal to another rank"
        error = (
            Stopped(f"stopped by {why} after a checkpoint at {where}; go on with --resume")
            if done
            else HpcflError(f"stopped by {why} at {where}, without a new checkpoint")
        )
        error.agreed, error.speaker = True, self.comm.rank == 0
        raise error
