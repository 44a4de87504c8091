"""Rows of a table that stay on disk: read on demand, with the files held open."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import h5py
import numpy as np

from hpcfl.data import checks
from hpcfl.data.csr import CSR
from hpcfl.data.h5 import open_read
from hpcfl.data.plain import Plain, lies_plainly
from hpcfl.data.store import held_as, take
from hpcfl.data.table import Table, csr_rows, join_csr
from hpcfl.errors import DataError
from hpcfl.kernels import stream

PART = 1 << 10  # rows of a part: what a predictor takes at once, so that its bits are those of all rows


class Runs:
    """Reads runs of rows of one dataset, without what `h5py.Dataset` prepares anew for each of them."""

    def __init__(self, source: h5py.Dataset) -> None:
        self.id, self.rest = source.id, source.shape[1:]
        self.space = source.id.get_space()

    def read(self, start: int, out: np.ndarray) -> None:
        """Read the rows from `start` on into `out` (n, d)."""
        shape = (len(out), *self.rest)
        self.space.select_hyperslab((start, *(0 for _ in self.rest)), shape)
        self.id.read(h5py.h5s.create_simple(shape), self.space, out)


class Lazy:
    """The rows `ids` of a table, in place of an array (n, d) of them.

    Parameters
    ----------
    table : Table
    ids : (n,) int64
        Rows of the table, rising.
    check : bool
        Whether values that are not finite are an error.
    """

    def __init__(self, table: Table, ids: np.ndarray, check: bool) -> None:
        self.table, self.ids, self.check = table, ids, check and table.dtype.kind == "f"
        self.dtype, self.shape = held_as(table.dtype), (len(ids), table.features)
        self.files: dict[str, h5py.File] = {}
        self.runs: dict[str, Plain | Runs] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: slice) -> Any:
        """Return a run of rows, (m, d) or CSR."""
        a, b, _ = rows.indices(len(self.ids))
        if self.table.kind == "csr":
            return self.sparse(a, b)
        out = np.empty((max(b - a, 0), self.shape[1]), self.dtype)
        self.fill(a, b, out)
        return out

    @cached_property
    def lengths(self) -> np.ndarray:
        """Values of each sparse row, (n,) int64."""
        if not len(self.ids):
            return np.zeros(0, np.int64)
        start, stop = int(self.ids[0]), int(self.ids[-1]) + 1
        pieces = [self._file(path)["x/indptr"][a : b + 1] for path, a, b, _ in self.table.pieces(start, stop)]
        lengths: np.ndarray = np.concatenate([np.diff(p) for p in pieces]).astype(np.int64)[self.ids - start]
        return lengths

    def parts(self) -> Iterator[Any]:
        """Yield all rows, part by part; one part without rows if there are none."""
        for a in range(0, max(len(self), 1), PART):
            yield self[a : a + PART]

    def fill(self, a: int, b: int, out: np.ndarray) -> None:
        """Read rows [a, b) into `out` (b - a, d)."""
        if a >= b:
            return
        start, stop = int(self.ids[a]), int(self.ids[b - 1]) + 1
        direct = stop - start == b - a and self.dtype == self.table.dtype
        span = out if direct else np.empty((stop - start, self.shape[1]), self.table.dtype)
        for path, low, high, at in self.table.pieces(start, stop):
            to = span[at - start : at - start + high - low]
            try:
                self._dataset(path).read(low, to)
            except OSError as error:
                raise DataError(f"{path}: rows {low} to {high} cannot be read ({error})") from None
        if not direct:
            out[:] = span[self.ids[a:b] - start]
        self._refuse(out.reshape(-1), out, a)

    def fill_runs(self, starts: np.ndarray, counts: np.ndarray, at: np.ndarray, out: np.ndarray) -> None:
        """Read `counts` rows, one at least, from each of `starts` on into `out`, from each of `at` on."""
        first, last, begins = self.ids[starts], self.ids[starts + counts - 1], np.asarray(self.table.starts)
        file, end = (np.searchsorted(begins, row, "right") - 1 for row in (first, last))
        quick = (last - first == counts - 1) & (file == end) & (self.dtype == self.table.dtype)
        for f in np.unique(file[quick]).tolist():
            path, mine = self.table.files[f], quick & (file == f)
            source = self._dataset(path)
            if not isinstance(source, Plain):
                quick &= ~mine
                continue
            try:
                source.runs(first[mine] - begins[f], counts[mine], at[mine], out)
            except OSError as error:
                raise DataError(f"{path}: its rows cannot be read ({error})") from None
        for a, n, to, done in zip(*(v.tolist() for v in (starts, counts, at, quick)), strict=True):
            if not done:
                self.fill(a, a + n, out[to : to + n])
            elif self.check:
                self._refuse(out[to : to + n].reshape(-1), out[to : to + n], a)

    def sparse(self, a: int, b: int) -> CSR:
        """Return rows [a, b)."""
        start, stop = (int(self.ids[a]), int(self.ids[b - 1]) + 1) if a < b else (0, 0)
        x = join_csr([csr_rows(self._file(path), low, high) for path, low, high, _ in self.table.pieces(start, stop)])
        keep = np.zeros(stop - start, bool)
        keep[self.ids[a:b] - start] = True
        found = x if keep.all() else take(x, keep)
        self._refuse(found.data, found, a)
        return found

    def _refuse(self, values: np.ndarray, x: Any, a: int) -> None:
        if self.check and not stream.finite(values):
            bad = checks.not_finite(x)
            row = int(np.argmax(bad))
            raise DataError(checks.name_bad(self.table, x, bad, int(self.ids[a + row]) - row))

    def _dataset(self, path: str) -> Plain | Runs:
        if path not in self.runs:
            source = self._file(path)[self.table.names["x"]]
            self.runs[path] = Plain(source) if lies_plainly(source, self.table.dtype) else Runs(source)
        return self.runs[path]

    def _file(self, path: str) -> h5py.File:
        if path not in self.files:
            self.files[path] = open_read(path, cache=0)
        return self.files[path]
