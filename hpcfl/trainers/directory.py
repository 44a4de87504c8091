"""The run directory: resolved job file, log, model, summary. Only rank 0 writes."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from typing import IO, Any

import numpy as np
import tomli_w

from hpcfl import config, strict_json
from hpcfl.comm.communicator import Comm
from hpcfl.config import Job
from hpcfl.data import h5
from hpcfl.errors import UsageError


class Directory:
    """The folder ``job.output``.

    Parameters
    ----------
    job : Job
    comm : Comm
    replace : bool
        Whether the results of another run may be removed.
    resume : bool
        Whether the run that is there goes on; `begin` then says from where.
    lock : bool
        Whether to refuse a folder that another run writes to; it is locked until `close`, if the file system can.

    Attributes
    ----------
    records : int
        Lines of the log so far.

    Raises
    ------
    UsageError
        The folder holds another run, or cannot be written (collective).
    """

    def __init__(self, job: Job, comm: Comm, replace: bool = False, resume: bool = False, lock: bool = True) -> None:
        self.file: IO[str] | None = None
        self.locked = -1
        self.path, self.writer = Path(job.output), comm.rank == 0
        self.records, self.table = 0, config.dump(job)
        try:
            with comm.together("preparing the run directory"):
                if self.writer:
                    self._make(lock)
                    if not resume:
                        self._clear(replace)
                if not resume:
                    self.begin(0)
        except BaseException:
            self.close()
            raise

    def begin(self, records: int) -> None:
        """Write the job file and cut the log back to its first `records` lines (local)."""
        self.records = records
        if self.writer:
            (self.path / "job.toml").write_text(tomli_w.dumps(self.table), "utf-8")
            log = self.path / "log.jsonl"
            lines = log.read_text().splitlines(keepends=True) if log.exists() else []
            log.write_text("".join(lines[:records]))
            if self.file:
                self.file.close()
            self.file = log.open("a", buffering=1)  # each line is given to the system at once

    def _holds_results(self) -> bool:
        """Return whether something would be lost; a run that failed before its first record left nothing."""
        log, checkpoints = self.path / "log.jsonl", self.path / "checkpoints"
        logged = log.exists() and log.stat().st_size > 0
        return logged or (self.path / "model.h5").exists() or (checkpoints.exists() and any(checkpoints.iterdir()))

    def _clear(self, replace: bool) -> None:
        if self._holds_results() and not replace:
            raise UsageError(
                f"{self.path} holds another run: --resume goes on with it, --overwrite removes it, "
                "--set output=... writes elsewhere"
            )
        for name in ("log.jsonl", "model.h5", "summary.json"):
            (self.path / name).unlink(missing_ok=True)
        for name in ("checkpoints", "state"):
            shutil.rmtree(self.path / name, ignore_errors=True)

    def _make(self, lock: bool) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / f".probe.{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise UsageError(f"output = '{self.path}' cannot be written ({error.strerror}); set another one") from None
        if lock:
            self._lock()

    def _lock(self) -> None:
        self.locked = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(self.locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"another run is writing to {self.path}: wait for its end, --set output=... writes elsewhere"
            ) from None
        except OSError:  # a file system without locks
            pass

    def log(self, record: dict[str, Any]) -> None:
        """Append a line to ``log.jsonl`` (rank 0 writes it, all count it)."""
        self.records += 1
        if self.file:
            self.file.write(strict_json.dumps(record) + "\n")

    def close(self) -> None:
        """Close the log, and let others write to the folder."""
        if self.file:
            self.file.close()
            self.file = None
        if self.locked >= 0:
            os.close(self.locked)
            self.locked = -1

    def __del__(self) -> None:
        """Close the log of a run that was given up."""
        self.close()

    def model(self, arrays: dict[str, np.ndarray], attrs: dict[str, Any]) -> None:
        """Write ``model.h5`` (rank 0)."""
        if self.writer:
            h5.write_atomic(self.path / "model.h5", arrays, attrs)

    def summary(self, entries: dict[str, Any]) -> None:
        """Write ``summary.json`` (rank 0)."""
        if self.writer:
            temporary = self.path / ".summary.json.tmp"
            temporary.write_text(strict_json.dumps(entries, indent=1) + "\n")
            os.replace(temporary, self.path / "summary.json")
