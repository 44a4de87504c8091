"""Reading and writing many places of files in one call: a call of Python for each takes longer than the system's."""

from __future__ import annotations

from numba import types

from hpcfl.kernels.flags import exact

_KIND = types.intp(types.intc, types.intp, types.uintp, types.int64)
_pread, _pwrite = (types.ExternalFunction(name, _KIND) for name in ("pread", "pwrite"))


@exact
def read_rows(files, places, rows):
    """Fill each row of `rows` from its place in its file.

    Parameters
    ----------
    files : (n,) int32
        Handles; below 0 a row stays what it is.
    places : (n,) int64
        Bytes from the start of the file.
    rows : (n, bytes) uint8

    Returns
    -------
    int
        The first row that its file did not fill, or -1.
    """
    for i in range(files.size):
        if files[i] >= 0 and _pread(files[i], rows[i].ctypes.data, rows.shape[1], places[i]) != rows.shape[1]:
            return i
    return -1


@exact
def write_rows(file, places, rows):
    """Write each row of `rows` to its place in `file`; return the first that did not fit, or -1."""
    for i in range(places.size):
        if _pwrite(file, rows[i].ctypes.data, rows.shape[1], places[i]) != rows.shape[1]:
            return i
    return -1
