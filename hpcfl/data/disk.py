"""What the file system of run directories can do, and which HDF5 writes there."""

from __future__ import annotations

import os
from pathlib import Path

import h5py


def versions() -> str:
    """Return the versions of HDF5 and of its Python binding."""
    return f"{h5py.version.hdf5_version} (h5py {h5py.__version__})"


def locks(folder: Path) -> bool:
    """Write a file into `folder`, remove it, and return whether HDF5 could lock it.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    path = folder / f".probe.{os.getpid()}.h5"
    try:
        path.touch()
        try:
            h5py.File(path, "w", locking=True).close()
        except OSError:
            return False
        return True
    finally:
        path.unlink(missing_ok=True)
