"""Files of equally long slots: every rank of a run writes one, and reads those of its node or of an earlier start."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np

from hpcfl.errors import DataError


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
        self.others: dict[tuple[int, int], int] = {(start, rank): self.handle}
        self.moved = 0

    def __del__(self) -> None:
        """Close all files."""
        for handle in getattr(self, "others", {}).values():
            os.close(handle)

    def write(self, slot: int, rows: list[np.ndarray]) -> None:
        """Write contiguous `rows`, a slot in all, to this rank's file."""
        done = os.pwritev(self.handle, [row.data for row in rows], slot * self.width)
        if done != self.width:
            raise OSError(f"{self._name(self.start, self.rank)}: the disk is full")
        self._moved()

    def read(self, start: int, rank: int, slot: int, rows: list[np.ndarray]) -> None:
        """Fill contiguous `rows` from a slot of any file.

        Raises
        ------
        DataError
            The file is not there, or too short.
        """
        try:
            if (start, rank) not in self.others:
                self.others[start, rank] = os.open(self._name(start, rank), os.O_RDONLY)
            done = os.preadv(self.others[start, rank], [row.data for row in rows], slot * self.width)
        except FileNotFoundError:
            done = 0
        if done != self.width:
            raise DataError(
                f"{self._name(start, rank)}: what clients keep is not all there; start anew with --overwrite"
            )
        self._moved()

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

    def _moved(self) -> None:
        """Let the system forget what was read and written, once it is more than `memory`."""
        self.moved += self.width
        if self.moved > self.memory:
            self.moved = 0
            os.fdatasync(self.handle)  # what is not on the disk yet cannot be forgotten
            for handle in self.others.values():
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)


def starts(path: Path) -> list[int]:
    """Return the numbers of the starts that left a folder in `path`."""
    return [int(p.name) for p in path.iterdir() if p.name.isdigit()] if path.is_dir() else []
