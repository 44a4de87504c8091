"""Files of equally long slots: every rank of a run writes one, and reads those of its node or of an earlier start."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np

from hpcfl.errors import DataError
from hpcfl.kernels.slots import read_rows, write_rows


class SlotFiles:
    """``path/START/rank-RANK.bin``: each start of a run has a folder of its own, older ones are only read.

    Parameters
    ----------
    path : Path
        The folder, on a file system that the nodes share.
    start, rank : int
        Which file this rank writes.
    width : int
        Bytes of a slot.
    memory : int
        Bytes of the files that the system may hold in memory for this rank.
    """

    def __init__(self, path: Path, start: int, rank: int, width: int, memory: int) -> None:
        self.path, self.start, self.rank, self.width, self.memory = path, start, rank, width, memory
        self.folder(start).mkdir(parents=True, exist_ok=True)
        self.handle = os.open(self._name(start, rank), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        self.names = {self.handle: self._name(start, rank)}
        self.moved = 0

    def __del__(self) -> None:
        """Close all files."""
        for handle in getattr(self, "names", {}):
            os.close(handle)

    def open(self, start: int, rank: int) -> int:
        """Return the handle of a rank's file, to read from.

        Raises
        ------
        DataError
            It is not there.
        """
        name = self._name(start, rank)
        for handle, known in self.names.items():
            if known == name:
                return handle
        try:
            handle = os.open(name, os.O_RDONLY)
        except FileNotFoundError:
            raise _lost(name) from None
        self.names[handle] = name
        return handle

    def write(self, slots: np.ndarray, part: int, rows: np.ndarray) -> None:
        """Write contiguous `rows` (n, P), each the part number `part` of its slot, to this rank's file."""
        if write_rows(self.handle, slots, self.width, part, rows.view(np.uint8)) >= 0:
            raise OSError(f"{self.names[self.handle]}: the disk is full")
        self._moved(rows.nbytes)

    def read(self, files: np.ndarray, slots: np.ndarray, part: int, rows: np.ndarray) -> None:
        """Fill contiguous `rows` (n, P), each from the part number `part` of a slot.

        Parameters
        ----------
        files : (n,) int32
            Handles; -1 leaves a row what it is.

        Raises
        ------
        DataError
            A file is too short.
        """
        missing = read_rows(files, slots, self.width, part, rows.view(np.uint8))
        if missing >= 0:
            raise _lost(self.names[int(files[missing])])
        self._moved(rows.nbytes)

    def sync(self) -> None:
        """Bring this rank's file to the disk."""
        os.fsync(self.handle)

    def keep_only(self, start: int) -> None:
        """Remove the files of all other starts."""
        for other in starts(self.path):
            if other != start:
                shutil.rmtree(self.folder(other), ignore_errors=True)

    def folder(self, start: int) -> Path:
        """Return the folder of a start."""
        return self.path / f"{start:06}"

    def _name(self, start: int, rank: int) -> Path:
        return self.folder(start) / f"rank-{rank:06}.bin"

    def _moved(self, size: int) -> None:
        """Let the system forget what was read and written, once it is more than `memory`."""
        self.moved += size
        if self.moved > self.memory:
            self.moved = 0
            os.fdatasync(self.handle)  # what is not on the disk yet cannot be forgotten
            for handle in self.names:
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)


def _lost(name: Path) -> DataError:
    return DataError(f"{name}: what clients keep is not all there; start anew with --overwrite")


def starts(path: Path) -> list[int]:
    """Return the numbers of the starts that left a folder in `path`."""
    return [int(p.name) for p in path.iterdir() if p.name.isdigit()] if path.is_dir() else []
