"""Ratings files as one log of (user, item, rating, timestamp), read block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hpcfl.data.h5 import open_read
from hpcfl.data.table import Table, open_table
from hpcfl.errors import DataError

BLOCK = 1 << 20  # rows read at once


class Rows(NamedTuple):
    """Some ratings: user and item codes (n,) int64 (-1: not known), rating float32, timestamp int64."""

    user: np.ndarray
    item: np.ndarray
    rating: np.ndarray
    time: np.ndarray


@dataclass(frozen=True)
class Log:
    """Ratings files in one code.

    Attributes
    ----------
    files : tuple of str
    rows : int
    ids : tuple of two arrays
        What each code of users and of items stands for in the files.
    """

    files: tuple[str, ...]
    rows: int
    ids: tuple[np.ndarray, np.ndarray]

    @property
    def timed(self) -> bool:
        """Whether every file has timestamps."""
        return all(open_table(path).has("timestamp") for path in self.files)

    def blocks(self) -> Iterator[Rows]:
        """Yield all rows in file order.

        Raises
        ------
        DataError
            A rating is not finite, or a code is not one of the file's.
        """
        for path in self.files:
            table = open_table(path)
            codes = [_translation(path, name, ids) for name, ids in zip(("user", "item"), self.ids, strict=True)]
            for start in range(0, table.rows, BLOCK):
                yield _read(table, start, min(start + BLOCK, table.rows), codes)


def open_log(files: tuple[str, ...], ids: tuple[np.ndarray, np.ndarray] | None = None) -> Log:
    """Open ratings files.

    Parameters
    ----------
    files : tuple of str
    ids : tuple of two arrays, optional
        Translate to these codes; what they lack becomes -1. Otherwise the codes of the first
        file, then what the other files add.

    Raises
    ------
    DataError
        A file holds no ratings.
    """
    rows = 0
    for path in files:
        table = open_table(path)
        if table.kind != "ratings":
            raise DataError(
                f"{path} holds no ratings (user, item, rating); make it with 'hpcfl convert --task ratings'"
            )
        rows += table.rows
    if rows == 0:
        raise DataError(f"{files[0]}: no ratings; convert it again")
    return Log(files, rows, ids or (_union(files, "user"), _union(files, "item")))


def own_ids(path: str, name: str) -> np.ndarray:
    """Return what the codes of `name` stand for in one file: its ids, or the codes themselves."""
    with open_read(path) as file:
        if f"{name}_id" in file:
            ids = np.asarray(file[f"{name}_id"][()])
            return ids.astype(np.str_) if ids.dtype.kind in "OS" else ids
        codes = file[name]
        top = max((int(codes[a : a + BLOCK].max()) for a in range(0, codes.shape[0], BLOCK)), default=-1)
        return np.arange(top + 1)


def _union(files: tuple[str, ...], name: str) -> np.ndarray:
    every = np.concatenate([own_ids(path, name) for path in files])
    _, first = np.unique(every, return_index=True)
    return every[np.sort(first)]


def _translation(path: str, name: str, ids: np.ndarray) -> np.ndarray:
    """Return the code, within `ids`, of each code of the file."""
    own = own_ids(path, name)
    if own.dtype.kind != ids.dtype.kind:
        own, ids = own.astype(np.str_), ids.astype(np.str_)
    order = np.argsort(ids, kind="stable")
    at = np.minimum(np.searchsorted(ids, own, sorter=order), ids.size - 1)
    return np.where(ids[order[at]] == own, order[at], -1)


def _read(table: Table, start: int, stop: int, codes: list[np.ndarray]) -> Rows:
    rating = table.column("rating", start, stop).astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(rating))
    if bad.size:
        raise DataError(f"{table.files[0]}: row {start + bad[0]}: rating {rating[bad[0]]}; finite ratings are needed")
    columns = []
    for name, code in zip(("user", "item"), codes, strict=True):
        value = table.column(name, start, stop)
        if value.dtype.kind not in "iu" or (value.size and not 0 <= value.min() <= value.max() < code.size):
            raise DataError(f"{table.files[0]}: '{name}' must hold codes 0 to {code.size - 1}; convert the file again")
        columns.append(code[value])
    timed = table.has("timestamp")
    time = table.column("timestamp", start, stop).astype(np.int64) if timed else np.zeros(stop - start, np.int64)
    return Rows(columns[0], columns[1], rating, time)
