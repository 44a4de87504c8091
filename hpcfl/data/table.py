"""Dataset files as one logical table: what is stored, and reading runs of its rows."""

from __future__ import annotations

import glob
import math
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpcfl.data import samples
from hpcfl.data.attributes import attributes, sifted
from hpcfl.data.csr import CSR
from hpcfl.data.h5 import open_read
from hpcfl.data.names import alike
from hpcfl.errors import DataError
from hpcfl.registry import nearest

RATINGS = ("user", "item", "rating")


@dataclass(frozen=True)
class Table:
    """One or several dataset files, seen as one run of rows.

    Attributes
    ----------
    files : tuple of str
        The files, in the order of their rows.
    rows, features : int
        Rows of all files; columns of ``x`` (0 for ratings).
    kind : {"dense", "csr", "ratings"}
    dtype : numpy dtype
        Of ``x`` as stored.
    task : {"classification", "regression", "ratings", ""}
    classes : tuple
        Names of the classes, in the order of their labels (empty if not stored).
    attrs : dict
        All root attributes of the first file, JSON decoded.
    starts : tuple of int
        First row of each file, and the number of rows last.
    """

    files: tuple[str, ...]
    rows: int
    features: int
    kind: str
    dtype: np.dtype[Any]
    task: str
    classes: tuple[str, ...]
    attrs: dict[str, Any]
    starts: tuple[int, ...]
    names: dict[str, str] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Return whether the dataset `name` (``y``, ``weight``, ``client``, ...) is there."""
        with open_read(self.files[0]) as file:
            return self.names.get(name, name) in file

    def read(self, start: int, stop: int) -> np.ndarray | CSR:
        """Return rows [start, stop) of ``x``: (stop - start, features) as stored, or CSR."""
        if self.kind == "csr":
            return join_csr([self._csr(*piece) for piece in self.pieces(start, stop)])
        out = np.empty((stop - start, self.features), self.dtype)
        return self._fill("x", start, stop, out)

    def column(self, name: str, start: int, stop: int) -> np.ndarray:
        """Return rows [start, stop) of a dataset of one value a row, shape (stop - start,)."""
        with open_read(self.files[0]) as file:
            kind = dataset(file, self.names.get(name, name), self.files[0]).dtype
        return self._fill(name, start, stop, np.empty(stop - start, kind))

    @property
    def values(self) -> int:
        """Values of all sparse rows."""
        total = 0
        for path in self.files:
            with open_read(path) as file:
                total += file["x/data"].shape[0]
        return total

    def pieces(self, start: int, stop: int) -> list[tuple[str, int, int, int]]:
        """Return (file, first row in it, last + 1, offset in the result) for a run of rows."""
        out = []
        i = bisect_right(self.starts, start) - 1
        while start < stop:
            end = min(stop, self.starts[i + 1])
            if end > start:
                out.append((self.files[i], start - self.starts[i], end - self.starts[i], start))
            start, i = end, i + 1
        return out

    def _fill(self, name: str, start: int, stop: int, out: np.ndarray) -> np.ndarray:
        for path, a, b, at in self.pieces(start, stop):
            with open_read(path) as file:
                source = dataset(file, self.names.get(name, name), path)
                shape = (len(out), *source.shape[1:])
                if math.prod(shape) != out.size:
                    width = out.size // len(out)
                    raise DataError(f"{path}: '{source.name[1:]}' is {source.shape}; a row needs {width} of its values")
                try:
                    source.read_direct(out.reshape(shape), np.s_[a:b], np.s_[at - start : at - start + b - a])
                except OSError as error:
                    raise DataError(f"{path}: rows {a} to {b} of '{name}' cannot be read ({error})") from None
        return out

    def _csr(self, path: str, a: int, b: int, _at: int) -> CSR:
        with open_read(path) as file:
            return csr_rows(file, a, b)


def open_table(train: str | tuple[str, ...], x: str = "x", y: str = "y", task: str = "") -> Table:
    """Open dataset files as one table; only their headers are read.

    Parameters
    ----------
    train : str or tuple of str
        A path, several, a glob, or ``sample:NAME``.
    x, y : str
        Names of the datasets in a plain HDF5 file.
    task : str
        What ``y`` is, where the file does not say.

    Raises
    ------
    DataError
        A file is missing, damaged, lacks a dataset, or does not fit the first one.
    """
    files = expand(train)
    names = {"x": x, "y": y}
    heads = [_head(path, names) for path in files]
    for path, head in zip(files, heads, strict=True):
        if head[1:4] != heads[0][1:4]:
            raise DataError(
                f"{path}: {head[1:4]} does not fit {files[0]}: {heads[0][1:4]}; the files of a table are alike"
            )
        if head[4].get("categorical") != heads[0][4].get("categorical"):
            raise DataError(f"{path}: its categories are not those of {files[0]}; convert the files of a table as one")
        alike(path, head[4], files[0], heads[0][4])
    _, features, kind, dtype, attrs = heads[0]
    starts = np.cumsum([0] + [head[0] for head in heads])
    task = task or attrs.get("task", "") or _guess_task(files[0], names, kind)
    return Table(
        files, int(starts[-1]), features, kind, dtype, task,
        tuple(str(c) for c in attrs.get("classes", ())), attrs, tuple(int(s) for s in starts), names,
    )  # fmt: skip


def expand(train: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the files that ``data.train`` names, a glob's in sorted order."""
    out: list[str] = []
    for item in (train,) if isinstance(train, str) else train:
        if item.startswith("sample:"):
            out.append(str(samples.path(item.removeprefix("sample:"))))
            continue
        found = [item] if Path(item).exists() else sorted(glob.glob(item))
        if not found:
            raise DataError(f"{item or repr(item)}: no such file; check the path, or make it with 'hpcfl convert'")
        out += found
    return tuple(out)


def dataset(file: h5py.File, name: str, path: str) -> h5py.Dataset:
    """Return the dataset `name` of `file`, or say which ones there are."""
    found = file.get(name)  # None behind a link that leads nowhere
    if not isinstance(found, h5py.Dataset):
        there = [n for n in file if file.get(n) is not None]
        raise DataError(f"{path}: no dataset '{name}'{nearest(name, there)}; name it in [data], x = or y =")
    return found


def _head(path: str, names: dict[str, str]) -> tuple[int, int, str, np.dtype[Any], dict[str, Any]]:
    with open_read(path) as file:
        attrs = attributes(file)
        if all(name in file for name in RATINGS):
            return file["rating"].shape[0], 0, "ratings", file["rating"].dtype, attrs
        if isinstance(file.get(names["x"]), h5py.Group):
            group = file[names["x"]]
            missing = [n for n in ("data", "indices", "indptr") if n not in group]
            if missing:
                raise DataError(f"{path}: '{names['x']}/{missing[0]}' is missing; CSR needs data, indices, indptr")
            stored = attrs.get("features")
            width = stored if isinstance(stored, int) and stored > 0 else int(group["indices"][:].max(initial=-1)) + 1
            return group["indptr"].shape[0] - 1, width, "csr", group["data"].dtype, sifted(attrs, width)
        x = dataset(file, names["x"], path)
        if x.ndim < 2 or x.dtype.kind not in "fuib":
            raise DataError(
                f"{path}: '{names['x']}' is {x.dtype} {x.shape}; numbers in at least 2 dimensions are needed"
            )
        y = dataset(file, names["y"], path) if names["y"] in file else x
        if y.shape[:1] != x.shape[:1]:
            raise DataError(
                f"{path}: '{names['y']}' is {y.shape}, '{names['x']}' {x.shape}; their rows must be the same"
            )
        width = int(np.prod(x.shape[1:]))
        return x.shape[0], width, "dense", x.dtype, sifted(attrs, width)


def _guess_task(path: str, names: dict[str, str], kind: str) -> str:
    if kind == "ratings":
        return "ratings"
    with open_read(path) as file:
        y = file.get(names["y"])
        return "" if y is None else "classification" if y.dtype.kind in "iub" else "regression"


def csr_rows(file: h5py.File, a: int, b: int) -> CSR:
    """Return rows [a, b) of a file."""
    indptr = np.asarray(file["x/indptr"][a : b + 1], np.int64)
    lo, hi = int(indptr[0]), int(indptr[-1])
    return CSR(file["x/data"][lo:hi], file["x/indices"][lo:hi].astype(np.int32), indptr - lo)


def join_csr(parts: list[CSR]) -> CSR:
    """Return the rows of all parts, one after the other."""
    if not parts:
        return CSR(np.empty(0, np.float32), np.empty(0, np.int32), np.zeros(1, np.int64))
    offsets = np.cumsum([0] + [p.indptr[-1] for p in parts])
    indptr = np.concatenate([[0]] + [p.indptr[1:] + o for p, o in zip(parts, offsets[:-1], strict=True)])
    return CSR(
        np.concatenate([p.data for p in parts]), np.concatenate([p.indices for p in parts]), indptr.astype(np.int64)
    )
