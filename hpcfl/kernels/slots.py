"""Reading and writing many places of files in one call: a call of Python for each takes longer than the system's."""

from __future__ import annotations

from numba import types

from hpcfl.kernels.copies import copy
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


@exact
def read_runs(file, places, chunk, starts, counts, at, empty, rows):
    """Fill runs of `rows` from a table in `file`, whose rows lie in chunks of `chunk` rows.

    Parameters
    ----------
    file : int
        Handle.
    places : (chunks,) int64
        Byte at which each chunk starts; below 0 each of its rows is `empty` (width,) uint8.
    starts, counts, at : (n,) int64
        The first row of a run in the table, how many there are, and where they go in `rows`.
    rows : (m, width) uint8

    Returns
    -------
    int
        The first run that the file did not fill, or -1.
    """
    width = rows.shape[1]
    for i in range(starts.size):
        done = 0
        while done < counts[i]:
            c, to = (starts[i] + done) // chunk, at[i] + done
            within = starts[i] + done - c * chunk
            n = min(counts[i] - done, chunk - within)
            if places[c] < 0:
                for r in range(to, to + n):
                    copy(empty, rows[r])
            elif _pread(file, rows[to].ctypes.data, n * width, places[c] + within * width) != n * width:
                return i
            done += n
    return -1
