"""Other formats to dataset files, one file per format.

A format is a file of this folder with two functions: ``matches(path, options)`` tells whether a
source is of the format, and ``draft(path, options)`` reads the source once and returns the `Draft`
of the dataset file. The source is read again, block by block, when the draft is written.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from hpcfl import registry
from hpcfl.data import h5
from hpcfl.data.convert._options import Options
from hpcfl.data.writer import Draft, write
from hpcfl.errors import DataError, UsageError

__all__ = ["Options", "convert", "find"]


def convert(source: str | Path, out: str | Path, options: Options, overwrite: bool = False) -> Draft:
    """Convert `source` to the dataset file `out`, and return what was written.

    Memory is bounded whatever the size of the source: 64 MiB beside the import of the libraries
    for text and arrays (more only for rows beyond 65,536 columns); see `ratings` (8 bytes a
    rating) and `leaf` (one JSON file) for what those need.

    Raises
    ------
    DataError
        The source is missing, damaged, or holds what cannot be stored; the line is named.
    UsageError
        `out` exists (and not `overwrite`), or an option does not fit the source.
    """
    source, out = Path(source), Path(out)
    if not source.exists():
        raise DataError(f"{source}: no such file; check the path")
    if out.exists() and not overwrite:
        raise UsageError(f"{out} exists; give another name, or --overwrite")
    if out.exists() and out.samefile(source):
        raise UsageError(f"{out} is the source itself; give another name")
    if not out.parent.is_dir():
        raise UsageError(f"{out.parent}: no such folder; make it first")
    if source.is_file() and h5.is_hdf5(source):
        raise UsageError(f"{source} is an HDF5 file already; train on it, its datasets named by data.x and data.y")
    draft = importlib.import_module(f"{__name__}.{find(source, options)}").draft(source, options)
    write(draft, out)
    return draft


def find(source: Path, options: Options) -> str:
    """Return the name of the format of `source`; delimited text is what no other format claims."""
    for name in registry.names("data/convert"):
        if name != "csv" and importlib.import_module(f"{__name__}.{name}").matches(source, options):
            return name
    return "csv"
