"""Rows of an HDF5 dataset read from where they lie in the file, if they lie there as NumPy has them in memory."""

from __future__ import annotations

import os

import h5py
import numpy as np

from hpcfl.kernels.slots import read_runs

UNKNOWN, NOWHERE = -2, -1  # places of a chunk that was not asked for yet, and of one that was never written


class Plain:
    """Runs of rows of a dataset for which `lies_plainly` holds.

    HDF5 takes 10 us to prepare a read, in which a core copies 200 kB out of the page cache.

    Parameters
    ----------
    source : h5py.Dataset
        It must stay open.
    """

    def __init__(self, source: h5py.Dataset) -> None:
        self.id, self.chunk = source.id, source.chunks[0] if source.chunks else max(len(source), 1)
        self.places = np.full(-(-len(source) // self.chunk), UNKNOWN, np.int64)
        if not source.chunks:
            self.places[:] = source.id.get_offset()
        self.empty = np.full(source.shape[1], source.fillvalue, source.dtype).view(np.uint8)
        self.handle = os.open(source.file.filename, os.O_RDONLY)

    def __del__(self) -> None:
        """Close the file."""
        if hasattr(self, "handle"):
            os.close(self.handle)

    def read(self, start: int, out: np.ndarray) -> None:
        """Read the rows from `start` on into `out` (n, d); errors as in `runs`."""
        starts, counts = np.array([start]), np.array([len(out)])
        self._fill(
            np.arange(start // self.chunk, (start + len(out) - 1) // self.chunk + 1), starts, counts, starts * 0, out
        )

    def runs(self, starts: np.ndarray, counts: np.ndarray, at: np.ndarray, out: np.ndarray) -> None:
        """Read `counts` rows, one at least, from each of `starts` on into `out` (m, d), from each of `at` on.

        Raises
        ------
        OSError
            The file is too short.
        """
        first, last = starts // self.chunk, (starts + counts - 1) // self.chunk
        between = first[:, None] + np.arange(int((last - first).max()) + 1)
        self._fill(np.unique(np.minimum(between, last[:, None])), starts, counts, at, out)

    def _fill(
        self, chunks: np.ndarray, starts: np.ndarray, counts: np.ndarray, at: np.ndarray, out: np.ndarray
    ) -> None:
        for c in chunks[self.places[chunks] == UNKNOWN].tolist():
            place = self.id.get_chunk_info_by_coord((c * self.chunk, 0)).byte_offset
            self.places[c] = NOWHERE if place is None else place
        rows = out.view(np.uint8)
        if read_runs(self.handle, self.places, self.chunk, starts, counts, at, self.empty, rows) >= 0:
            raise OSError("the file ends too early")


def lies_plainly(source: h5py.Dataset, dtype: np.typing.DTypeLike) -> bool:
    """Return whether rows of a dataset (n, d) lie one after the other, unpacked, in the file itself, as `dtype`."""
    made, file = source.id.get_create_plist(), source.file
    if file.driver != "sec2" or file.userblock_size or source.is_virtual or made.get_nfilters():
        return False
    if source.ndim != 2 or source.dtype != dtype or not source.dtype.isnative:
        return False
    if source.id.get_type() != h5py.h5t.py_create(source.dtype):
        return False
    if source.chunks:
        return bool(source.chunks[1] == source.shape[1])
    return (
        made.get_layout() == h5py.h5d.CONTIGUOUS
        and not made.get_external_count()
        and source.id.get_offset() is not None
    )
