"""What a checkpoint must share with the run that goes on from it: the job, the data, the kind of CPU."""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import sha256
from itertools import chain
from typing import Any

from hpcfl import machine as hardware
from hpcfl.errors import DataError, UsageError

MAY_CHANGE = (
    "output",
    "train.epochs",
    "train.rounds",
    "train.iterations",
    "train.time_limit",
    "checkpoint.",
    "evaluate.",
    "comm.timeout",
    "comm.on_failure",
)
BLOCK, BLOCKS = 1 << 16, 32  # bytes of a sampled block, blocks of a file


def machine() -> dict[str, str]:
    """Return the fingerprint of this kind of CPU and its BLAS."""
    return hardware.fingerprint()


def samples(files: tuple[str, ...]) -> bytes:
    """Return 32 bytes for each data file: a hash of its size, first and last bytes, and evenly spaced blocks.

    Where a file lies does not matter, so that a run may be moved.

    Raises
    ------
    DataError
        A file cannot be read.
    """
    out = b""
    for path in files:
        try:
            out += _sample(path)
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror}); check the path") from None
    return out


def compare(stored: Mapping[str, Any], job: Mapping[str, Any], data: str) -> None:
    """Raise UsageError unless a checkpoint of attributes `stored` may be gone on with.

    Parameters
    ----------
    stored : dict
        ``job``, ``data`` and ``machine`` as they were.
    job : dict
        The resolved job's table.
    data : str
        Fingerprint of the data files.
    """
    old, new = flat(stored.get("job", {})), flat(job)
    changed = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key) and not free(key)]
    if changed:
        what = "; ".join(
            f"{key} was {old.get(key, 'not set')!r}, is {new.get(key, 'not set')!r}" for key in changed[:4]
        )
        raise UsageError(f"the job differs from the checkpoint's: {what}; put it back, or start anew with --overwrite")
    if stored.get("data") != data:
        raise UsageError("the data files changed since the checkpoint; put them back, or start anew with --overwrite")
    was, now = stored.get("machine", {}), machine()
    if job.get("reproducible") and was != now:
        what = "; ".join(
            f"{k} was {was.get(k)}, is {now.get(k)}" for k in sorted(was | now) if was.get(k) != now.get(k)
        )
        raise UsageError(f"reproducible = true, but this is another kind of CPU: {what}; resume on one like the first")


def free(key: str) -> bool:
    """Return whether the job-file key may differ from the checkpoint's."""
    return key in MAY_CHANGE or key.startswith(tuple(name for name in MAY_CHANGE if name.endswith(".")))


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return {dotted key: value} of a nested table, tuples as lists."""
    out: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            out |= flat(value, f"{prefix}{name}.")
        else:
            out[prefix + name] = list(value) if isinstance(value, tuple) else value
    return out


def _sample(path: str) -> bytes:
    size = os.path.getsize(path)
    found = sha256(str(size).encode())
    starts = chain(range(0, size, max(size // BLOCKS, BLOCK)), [max(size - BLOCK, 0)])
    with open(path, "rb") as file:
        for start in starts:
            file.seek(start)
            found.update(file.read(BLOCK))
    return found.digest()
