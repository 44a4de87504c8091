"""Dataset files of any size, written block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpcfl.data.h5 import atomic, put_attrs
from hpcfl.errors import DataError

CHUNK = 1 << 20


@dataclass(frozen=True)
class Draft:
    """A dataset file to be written: all is known but the values.

    Attributes
    ----------
    columns : dict
        Name -> (shape, dtype) of each dataset; a dtype of objects holds texts.
    attrs : dict
        Root attributes beside ``format`` and ``version``.
    blocks : callable
        Gives the values in order: each block is name -> the next rows of that dataset.
    notes : tuple of str
        What the user should know, a line each.
    """

    columns: dict[str, tuple[tuple[int, ...], np.dtype[Any]]]
    attrs: dict[str, Any]
    blocks: Callable[[], Iterator[Mapping[str, np.ndarray]]]
    notes: tuple[str, ...] = ()


def write(draft: Draft, path: str | Path) -> None:
    """Write the file of `draft` to `path` (temporary file, fsync, rename).

    Datasets are chunked by runs of rows of about 1 MiB. Memory: one block, and one chunk of
    each dataset.

    Raises
    ------
    DataError
        If the blocks do not add up to the shapes, or the disk refuses the file.
    """
    try:
        with atomic(path) as file:
            for name, (shape, dtype) in draft.columns.items():
                kind = h5py.string_dtype() if dtype.kind == "O" else dtype
                file.create_dataset(name, shape, kind, chunks=chunks(shape, dtype))
            _fill(file, draft)
            put_attrs(file, {"format": "hpcfl", "version": 1, **draft.attrs})
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error}); check the folder and the space on its disk") from error


def chunks(shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[int, ...]:
    """Return the shape of a chunk: rows of about 1 MiB, never more rows than there are."""
    row = dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))
    return (max(1, min(shape[0], CHUNK // max(row, 1))), *shape[1:])


def _fill(file: h5py.File, draft: Draft) -> None:
    filled = dict.fromkeys(draft.columns, 0)
    for block in draft.blocks():
        for name, values in block.items():
            start, stop = filled[name], filled[name] + len(values)
            if stop > file[name].shape[0]:
                raise DataError("the source changed while it was read; convert it again")
            file[name][start:stop] = values
            filled[name] = stop
    if any(filled[name] != shape[0] for name, (shape, _) in draft.columns.items()):
        raise DataError("the source changed while it was read; convert it again")
