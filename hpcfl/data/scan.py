"""Which rows of a table are dropped, and which are the test set's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.data import checks
from hpcfl.data.plan import Plan
from hpcfl.data.split import row_hashes, thresholds
from hpcfl.data.table import Table
from hpcfl.errors import DataError
from hpcfl.sections.data import Data
from hpcfl.seeding import key

UNNAMED = 1 << 16  # classes that a table may have beyond its rows: numbers that are no labels make millions
BLOCK = 8 << 20  # bytes of a table that are read at a time


@dataclass(frozen=True)
class Picker:
    """Decides for any run of rows which are dropped and which are the test set's."""

    table: Table
    data: Data
    classes: int
    limits: np.ndarray
    key: np.uint64
    kept: np.ndarray
    first: int

    @classmethod
    def make(cls, table: Table, data: Data, seed: int, comm: Comm) -> Picker:
        """Scan an even slice of the table on each rank and agree on the split (collective)."""
        a, b = (table.rows * r // comm.size for r in (comm.rank, comm.rank + 1))
        with comm.together("scanning labels"):
            label = checks.labels(table, a, b)
            fine = finite(table, a, b) if data.missing == "drop" else np.ones(b - a, bool)
        stored = len(table.classes)
        top = int(comm.max(float(label.max(initial=-1)), "split")) + 1
        classes = max(stored, top) if table.task == "classification" else 0
        with comm.together("scanning labels"):
            if classes > max(table.rows, UNNAMED) and not stored:
                raise DataError(
                    f"{table.files[0]}: labels run to {top - 1}, which makes {top} classes of {table.rows} rows; "
                    "number the classes 0, 1, ... without gaps"
                )
        split = key(seed, "split")
        limits = np.empty(0, np.uint64)
        if isinstance(data.test, float):
            hashes = row_hashes(split, a, b)
            group = label if classes else np.zeros(b - a, np.int64)
            limits = thresholds(hashes[fine], group[fine], max(classes, 1), data.test, comm)
        self = cls(table, data, classes, limits, split, np.empty(0, bool), a)
        return cls(table, data, classes, limits, split, fine & ~self.tested(a, label), a)

    def tested(self, start: int, label: np.ndarray) -> np.ndarray:
        """Return which of the rows from `start` on, given their labels, are the test set's."""
        if self.limits.size == 0:
            return np.zeros(label.size, bool)
        hashes = row_hashes(self.key, start, start + label.size)
        return np.asarray(hashes < self.limits[label if self.classes else 0])

    def range_of(self, cut: Plan, comm: Comm) -> tuple[int, int]:
        """Return the run of table rows that holds this rank's training rows (collective)."""
        before = comm.before(int(self.kept.sum()))
        rows = np.flatnonzero(self.kept)
        at = cut.cuts[1:-1] - before
        mine = (at >= 0) & (at < rows.size)
        bounds = np.zeros(comm.size + 1, np.int64)
        bounds[1:-1][mine] = self.first + rows[at[mine]]
        comm.sum(bounds, "split")
        bounds[-1] = self.table.rows
        return int(bounds[comm.rank]), int(bounds[comm.rank + 1])


def blocks(table: Table, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Cut a run of rows into blocks of bounded bytes."""
    width = max(table.features, 1) * table.dtype.itemsize if table.kind == "dense" else 1 << 10
    step = max(BLOCK // width, 1)
    for a in range(start, stop, step):
        yield a, min(a + step, stop)


def finite(table: Table, start: int, stop: int) -> np.ndarray:
    """Return which rows of a run hold finite values only, (n,) bool."""
    fine = [~checks.not_finite(table.read(a, b)) for a, b in blocks(table, start, stop)]
    return np.concatenate([np.empty(0, bool), *fine])
