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
        self.others: dict[tuple[int, int], int] = {(start, rank): self.handle}
        self.moved = 0

    def __del__(self) -> None:
        """Close all files."""
        for handle in getattr(self, "others", {}).values():
            os.close(handle)

    def write(self, slots: np.ndarray, part: int, rows: np.ndarray) -> None:
        """Write contiguous `rows` (n, P), each the part number `part` of its slot, to this rank's file."""
        places, rows = self._places(slots, part, rows)
        if write_rows(self.handle, places, rows) >= 0:
            raise OSError(f"{self._name(self.start, self.rank)}: the disk is full")
        self._moved(rows.nbytes)

    def read(self, start: int, ranks: list[int], slots: np.ndarray, part: int, rows: np.ndarray) -> None:
        """Fill contiguous `rows` (n, P), each from the part number `part` of a slot of a rank's file.

        Parameters
        ----------
        ranks : list of int
            Whose file each row comes from; -1 leaves it what it is.

        Raises
        ------
        DataError
            A file is not there, or too short.
        """
        files = np.array([self._open(start, rank) if rank >= 0 else -1 for rank in ranks], np.int32)
        places, rows = self._places(slots, part, rows)
        missing = read_rows(files, places, rows)
        if missing >= 0:
            raise self._lost(start, ranks[missing])
        self._moved(rows.nbytes)

    def _places(self, slots: np.ndarray, part: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where the parts begin, and `rows` as bytes."""
        flat = rows.view(np.uint8)
        return slots * self.width + part * flat.shape[1], flat

    def _open(self, start: int, rank: int) -> int:
        if (start, rank) not in self.others:
            try:
                self.others[start, rank] = os.open(self._name(start, rank), os.O_RDONLY)
            except FileNotFoundError:
                raise self._lost(start, rank) from None
        return self.others[start, rank]

    def _lost(self, start: int, rank: int) -> DataError:
        return DataError(f"{self._name(start, rank)}: what clients keep is not all there; start anew with --overwrite")

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
            for handle in self.others.values():
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)


def starts(path: Path) -> list[int]:
    """Return the numbers of the starts that left a folder in `path`."""
    return [int(p.name) for p in path.iterdir() if p.name.isdigit()] if path.is_dir() else []
