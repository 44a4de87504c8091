"""Copies of vectors inside kernels.

Not ``out[:] = source``: Numba compiles the text of an error about shapes with it, letter by letter, which takes
a fifth of the time in which all of a job's kernels are compiled.
"""

from __future__ import annotations

from hpcfl.kernels.flags import exact_part


@exact_part
def copy(source, out):
    """Write `source` (n,) to `out` (n,)."""
    for j in range(out.size):
        out[j] = source[j]
