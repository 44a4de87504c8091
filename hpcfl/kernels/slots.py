"""Reading and writing many places of files in one call: a call of Python for each takes longer than the system's."""

from __future__ import annotations

from numba import types

from hpcfl.kernels.flags import exact

_KIND = types.intp(types.intc, types.intp, types.uintp, types.int64)
_pread, _pwrite = (types.ExternalFunction(name, _KIND) for name in ("pread", "pwrite"))


@exact
def read_rows(files, slots, width, part, rows):
    """Fill each row of `rows` from its slot in its file.

    Parameters
    ----------
    files : (n,) int32
        Handles; below 0 a row stays what it is.
    slots : (n,) int64
    width : int
        Bytes of a slot.
    part : int
        Which of the equally long parts of a slot it is.
    rows : (n, bytes) uint8

    Returns
    -------
    int
        The first row that its file did not fill, or -1.
    """
    size = rows.shape[1]
    for i in range(files.size):
        if files[i] >= 0 and _pread(files[i], rows[i].ctypes.data, size, slots[i] * width + part * size) != size:
            return i
    return -1


@exact
def write_rows(file, slots, width, part, rows):
    """Write each row of `rows` to its slot in `file`, as in `read_rows`; return the first that did not fit, or -1."""
    size = rows.shape[1]
    for i in range(slots.size):
        if _pwrite(file, rows[i].ctypes.data, size, slots[i] * width + part * size) != size:
            return i
    return -1
