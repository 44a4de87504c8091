"""HDF5 files as {name: array} and attributes, written so that a reader never sees half a file."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpcfl.errors import DataError


def open_read(path: str | Path, cache: int = 8 << 20) -> h5py.File:
    """Open a file for reading, without locks (shared file systems often have none).

    Parameters
    ----------
    cache : int
        Bytes of chunks that are kept. With 0, a part of an uncompressed chunk is read without the rest of it.

    Raises
    ------
    DataError
        If it is missing, is no HDF5 file, or is truncated.
    """
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file; check the path, or make it with 'hpcfl convert'")
    try:
        return h5py.File(path, "r", locking=False, rdcc_nbytes=cache, rdcc_w0=1.0)
    except OSError as error:
        reason = "is truncated" if "truncated" in str(error) else f"is not a readable HDF5 file ({error})"
        raise DataError(f"{path} {reason}; copy or convert it again") from None


def is_hdf5(path: Path) -> bool:
    """Return whether a file is in HDF5's format."""
    return bool(h5py.is_hdf5(path))


class Sink(io.FileIO):
    """A new file that HDF5 writes to, which it is told nothing bad of: it does not survive a full disk well.

    Attributes
    ----------
    error : OSError or None
        The first one; nothing is written after it.
    """

    error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of `data`, unless something went wrong."""
        view = memoryview(data).cast("B")
        try:
            done = len(view) if self.error else 0
            while done < len(view):
                done += super().write(view[done : done + (1 << 30)]) or 0
        except OSError as error:
            self.error = error
        return len(view)


@contextmanager
def atomic(path: str | Path) -> Iterator[h5py.File]:
    """Give a new file to fill; at the end it becomes `path`: fsync, rename, fsync of the folder.

    After an error nothing is left of it, and an old `path` is as it was.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with Sink(temporary, "w+") as sink:
            try:
                with h5py.File(sink, "w", libver="v110") as file:
                    yield file
            finally:
                if sink.error:
                    raise sink.error
        sync(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def write_atomic(path: str | Path, arrays: Mapping[str, np.ndarray], attrs: Mapping[str, Any]) -> None:
    """Write `arrays` and `attrs` to `path`: a new file, fsync, rename, fsync of the folder.

    Attributes that are no number or text are stored as JSON.
    """
    with atomic(path) as file:
        fill(file, arrays, attrs)


def fill(file: h5py.File, arrays: Mapping[str, np.ndarray], attrs: Mapping[str, Any]) -> None:
    """Put `arrays` and `attrs` into an open file."""
    for name, array in arrays.items():
        file.create_dataset(name, data=array)
    put_attrs(file, attrs)


def image(arrays: Mapping[str, np.ndarray], attrs: Mapping[str, Any]) -> bytes:
    """Return the bytes of the HDF5 file that holds `arrays` and `attrs`."""
    with h5py.File("image", "w", driver="core", backing_store=False, libver="v110") as file:
        fill(file, arrays, attrs)
        file.flush()
        return bytes(file.id.get_file_image())


def put_attrs(file: h5py.File, attrs: Mapping[str, Any]) -> None:
    """Set the root attributes; those that are no number or text are stored as JSON."""
    for name, value in attrs.items():
        plain = isinstance(value, str | int | float)
        file.attrs[name] = value if plain else json.dumps(value)


def put(path: str | Path, data: bytes) -> None:
    """Write `data` to `path` so that the whole of it is there after a crash, or the file before it."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        sync(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def read(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and the attributes of a file that `write_atomic` wrote."""
    with open_read(path) as file:
        return _everything(file)


def parse(data: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of the HDF5 file whose bytes are `data`."""
    with h5py.File(io.BytesIO(data), "r") as file:
        return _everything(file)[0]


def sync(path: Path) -> None:
    """Bring a file or a folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _everything(file: h5py.File) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    arrays: dict[str, np.ndarray] = {}
    file.visititems(lambda name, item: _take(arrays, name, item))
    return arrays, dict(file.attrs)


def _take(arrays: dict[str, np.ndarray], name: str, item: Any) -> None:
    if isinstance(item, h5py.Dataset):
        arrays[name] = np.asarray(item[()])
