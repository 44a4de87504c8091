"""Memory that goes back to the system when it is freed."""

from __future__ import annotations

import ctypes
from contextlib import suppress

MMAP_THRESHOLD = -3  # of glibc's mallopt
LEAST = 1 << 20  # bytes


def give_back() -> None:
    """Have freed arrays of a megabyte and more returned to the system at once (glibc; elsewhere nothing happens).

    By itself glibc keeps what lies between arrays still in use, up to 32 MB apiece: for the parts of a
    forest that are joined, as much again as a part of each.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, LEAST)
