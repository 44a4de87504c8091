"""Rows of an HDF5 dataset read from where they lie in the file, if they lie there as NumPy has them in memory."""

from __future__ import annotations

import os

import h5py
import numpy as np


class Plain:
    """Runs of rows of a dataset for which `lies_plainly` holds.

    HDF5 takes 10 us to prepare a read, in which a core copies 200 kB out of the page cache.

    Parameters
    ----------
    source : h5py.Dataset
        It must stay open.
    """

    def __init__(self, source: h5py.Dataset) -> None:
        self.id, self.row = source.id, source.dtype.itemsize * source.shape[1]
        self.chunk = source.chunks[0] if source.chunks else max(len(source), 1)
        self.whole: int | None = None if source.chunks else source.id.get_offset()
        self.known: dict[int, int | None] = {}
        self.empty = source.fillvalue
        self.handle = os.open(source.file.filename, os.O_RDONLY)

    def __del__(self) -> None:
        """Close the file."""
        if hasattr(self, "handle"):
            os.close(self.handle)

    def read(self, start: int, out: np.ndarray) -> None:
        """Read the rows from `start` on into `out` (n, d).

        Raises
        ------
        OSError
            The file is too short.
        """
        at = 0
        while at < len(out):
            chunk, within = divmod(start + at, self.chunk)
            part, place = out[at : at + self.chunk - within], self._place(chunk)
            if place is None:
                part[:] = self.empty
            elif os.preadv(self.handle, [part.data.cast("B")], place + within * self.row) < part.nbytes:
                raise OSError("the file ends too early")
            at += len(part)

    def _place(self, chunk: int) -> int | None:
        """Return the byte at which a chunk starts; None if it was never written."""
        if self.whole is not None:
            return self.whole
        if chunk not in self.known:
            self.known[chunk] = self.id.get_chunk_info_by_coord((chunk * self.chunk, 0)).byte_offset
        return self.known[chunk]


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
