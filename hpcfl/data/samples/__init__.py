"""Data that ships with the package; README.md beside this file gives sources and licences."""

from __future__ import annotations

from pathlib import Path

from hpcfl.errors import DataError
from hpcfl.registry import nearest


def path(name: str) -> Path:
    """Return the file of ``sample:name``.

    Raises
    ------
    DataError
        If there is no such sample.
    """
    root = Path(__file__).parent
    there = sorted(p.stem for p in root.glob("*.h5"))
    if name not in there:
        raise DataError(f"sample:{name} does not exist{nearest(name, there)}")
    return root / f"{name}.h5"
