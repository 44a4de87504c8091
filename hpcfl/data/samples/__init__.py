"""Data that ships with the package or is generated; README.md beside this file gives sources and licences."""

from __future__ import annotations

from pathlib import Path

from hpcfl.data.samples import _generated
from hpcfl.errors import DataError
from hpcfl.registry import names, nearest


def path(name: str) -> Path:
    """Return the file of ``sample:name``; a generated one is made at its first use and kept.

    Parameters
    ----------
    name : str
        ``digits`` (a file beside this one), or a generator with its numbers, its seed and its
        split: ``synthetic(1,1)``, ``synthetic(1,1,seed=3)``, ``synthetic(1,1)/train``.

    Raises
    ------
    DataError
        If there is no such sample, or it takes other numbers.
    """
    root = Path(__file__).parent
    shipped = root / f"{name}.h5"
    if shipped.is_file():
        return shipped
    word = name.partition("(")[0].partition("/")[0]
    made = names("data/samples")
    if word not in made:
        there = sorted([p.stem for p in root.glob("*.h5")] + made)
        raise DataError(f"sample:{name} does not exist{nearest(word, there)}")
    return _generated.path(name)
