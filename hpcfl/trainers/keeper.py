"""When a run's state is written, from what it goes on, and whether it is to stop."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from time import perf_counter
from typing import Any

import numpy as np

from hpcfl import config
from hpcfl.comm.communicator import Comm
from hpcfl.comm.signals import StopFlag
from hpcfl.config import Job
from hpcfl.data import identity
from hpcfl.data.checkpoint import Checkpoints, Loaded, part
from hpcfl.data.table import expand
from hpcfl.errors import HpcflError, Stopped, UsageError
from hpcfl.trainers.directory import Directory
from hpcfl.trainers.memory import Memory

NOTHING, HOLD, SAVE, STOP = range(4)
SHARE = 0.02  # of the time that copies in memory may take


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
    memory : Memory, optional
        Where copies are kept from which a run goes on that lost ranks.

    Attributes
    ----------
    seconds : float
        Time spent writing.
    written : int
        Checkpoints written.
    failed : exception or None
        Why this rank could not log a record.
    begun : tuple of float and dict
        When `load` was done, as `perf_counter` counts, and the position that it gave.
    """

    def __init__(
        self, job: Job, comm: Comm, directory: Directory, stop: StopFlag, resume: str = "", memory: Memory | None = None
    ) -> None:
        self.job, self.comm, self.directory, self.stop, self.resume = job, comm, directory, stop, resume
        self.store = Checkpoints(directory.path / "checkpoints", comm, job.checkpoint.keep)
        self.memory, self.again = memory, 0.0  # when the next copy is due
        self.fingerprint, self.wish, self.last = "", NOTHING, perf_counter()
        self.seconds, self.written = 0.0, 0
        self.failed: Exception | None = None
        self.begun: tuple[float, dict[str, int]] = (self.last, {})

    def load(self, files: tuple[str, ...], apart: bool = False) -> Loaded | None:
        """Return the checkpoint to go on from, or None to start at the beginning (collective).

        Parameters
        ----------
        files : tuple of str
            The data files, whose fingerprint is compared and stored.
        apart : bool
            Whether each rank has files of its own, of which nothing but a hash may leave it.

        Raises
        ------
        UsageError
            There is no checkpoint but one is asked for, or it belongs to another job.
        """
        loaded = self.memory.recall() if self.memory else None
        self.fingerprint = self.memory.fingerprint if self.memory and loaded else self._fingerprint(files, apart)
        if self.memory:
            self.memory.fingerprint = self.fingerprint
        if self.resume and loaded is None:
            loaded = self.store.load(config.dump(self.job), self.fingerprint)
        with self.comm.together("going on from a checkpoint"):
            if self.resume == "must" and loaded is None:
                raise UsageError(f"{self.store.path} holds no whole checkpoint; --resume auto starts anew then")
            self.directory.begin(loaded.position["records"] if loaded else 0)
        self.last = perf_counter()
        self.begun = self.last, loaded.position if loaded else {}
        return loaded

    def _fingerprint(self, files: tuple[str, ...], apart: bool) -> str:
        """Return the fingerprint of the data, the same for any number of ranks (collective)."""
        test = self.job.data.test
        first = self.comm.rank == 0
        with self.comm.together("reading the data's fingerprint"):
            mine = identity.samples(files) if apart or first else b""
            if first and isinstance(test, str) and test != "none":
                mine = identity.samples(expand(test)) + mine
        every = self.comm.allgatherv(np.frombuffer(mine, np.uint8), "checkpoint")
        return sha256(every.tobytes()).hexdigest()

    def log(self, record: dict[str, Any]) -> None:
        """Log a record (local). If that fails here, this rank `asks` for an end, so that nobody waits for the log."""
        try:
            self.directory.log(record)
        except Exception as error:
            self.failed = error

    def check(self) -> None:
        """Raise on all ranks what went wrong in `log` on one (collective)."""
        with self.comm.together("writing the log"):
            if self.failed:
                raise self.failed

    def asks(self, steps: int = 0, rounds: int = 0) -> bool:
        """Return whether this rank wants a checkpoint or a stop after step or round number so-and-so (local)."""
        when = self.job.checkpoint
        due = (steps and when.every_steps and steps % when.every_steps == 0) or (
            rounds and when.every_rounds and rounds % when.every_rounds == 0
        )
        if self.comm.rank == 0 and when.every_seconds:
            due = due or perf_counter() - self.last >= when.every_seconds
        copy = self.memory is not None and self.comm.rank == 0 and perf_counter() >= self.again
        self.wish = STOP if self.stop.raised or self.failed else SAVE if due else HOLD if copy else NOTHING
        return self.wish != NOTHING

    def keep(
        self,
        position: Mapping[str, int],
        shared: Mapping[str, np.ndarray],
        own: Mapping[str, np.ndarray] | None = None,
        last: bool = False,
    ) -> bool:
        """Write a checkpoint, or copy the state to memory, as asked; then stop if any rank wants to (collective).

        Arguments as `Checkpoints.save`; at the `last` step a checkpoint is written whatever was asked.

        Returns
        -------
        bool
            Whether a checkpoint was written.

        Raises
        ------
        Stopped
            A signal or the time limit asked for it; all ranks raise it.
        """
        self.check()
        wish = int(self.comm.max(self.wish, "stop"))
        start = perf_counter()
        place = {**position, "records": self.directory.records}
        if self.memory:
            self.memory.hold(place, part(self.comm, shared, own or {}))
            self.again = perf_counter() + (perf_counter() - start) / SHARE
            if wish == HOLD and not last:
                return False
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
        mine = np.frombuffer(f"{self.stop.reason}\n".encode(), np.uint8)
        every = self.comm.allgatherv(mine, "stop").tobytes().decode()
        why = next(filter(None, every.split("\n")))  # a signal reaches some ranks only, a limit some of them first
        error = (
            Stopped(f"stopped by {why} after a checkpoint at {where}; go on with --resume")
            if done
            else HpcflError(f"stopped by {why} at {where}, without a new checkpoint")
        )
        error.agreed, error.speaker = True, self.comm.rank == 0
        raise error
