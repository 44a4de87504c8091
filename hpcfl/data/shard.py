"""A rank's rows in memory: the table's rows that its plan gives it, and its part of the test set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.data import categories, checks
from hpcfl.data.plan import Plan, even
from hpcfl.data.split import row_hashes, thresholds
from hpcfl.data.store import Rows
from hpcfl.data.table import Table, open_table
from hpcfl.errors import DataError
from hpcfl.sections.data import Data
from hpcfl.seeding import key

BLOCK = 8 << 20  # bytes of a table that are read at a time


@dataclass(frozen=True)
class Shard:
    """Rows of one rank.

    Attributes
    ----------
    x : (n, d) array or CSR
        Features as stored (float16 as float32).
    y : (n, 2) float
        Target and weight.
    ids : (n,) int64
        Row of the table that each row is.
    """

    x: Any
    y: np.ndarray
    ids: np.ndarray

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.y)


@dataclass(frozen=True)
class Shards:
    """What a rank holds of a data set.

    Attributes
    ----------
    train, test : Shard
        Its training rows (in global order) and its rows of the test set.
    total, test_total : int
        Rows over all ranks.
    classes : int
        Number of classes; 0 for regression.
    plan : Plan
        Who owns which of the `total` training rows.
    table : Table
        Where they came from.
    """

    train: Shard
    test: Shard
    total: int
    test_total: int
    classes: int
    plan: Plan
    table: Table


def load(
    data: Data,
    seed: int,
    dtype: np.typing.DTypeLike,
    comm: Comm,
    plan: Callable[[int], Plan] | None = None,
    reserve: Callable[[Table, Plan], Rows] | None = None,
    codes: bool = False,
) -> Shards:
    """Read this rank's rows (collective).

    Parameters
    ----------
    data : Data
        The job's ``[data]``.
    seed : int
        Of the test split.
    dtype : dtype
        Of `y`.
    plan : function from the number of training rows to a Plan
        Default: `plan.even`.
    reserve : function from the table and its plan to Rows
        Makes room for this rank's training rows (collective); default: in its own memory.
    codes : bool
        Whether columns of category codes are welcome.

    Raises
    ------
    DataError
        Missing or damaged files, values that are not finite, labels out of range, no rows.
    """
    with comm.together("opening the data"):
        table = open_table(data.train, data.x, data.y, data.task)
        checks.trainable(table)
        if not codes:
            categories.refuse(table)
        other, maps = None, {}
        if isinstance(data.test, str) and data.test != "none":
            other = open_table(data.test, data.x, data.y, data.task)
        if other is not None and (other.features, other.kind) != (table.features, table.kind):
            raise DataError(f"{data.test}: {other.features} features, the training data has {table.features}")
        if other is not None:
            maps = categories.translation(other, table.attrs.get("categorical", {}))
    pick = _Picker.make(table, data, seed, comm)
    total = int(comm.sum(np.array([pick.kept.sum()], np.int64), "split")[0])
    with comm.together("dealing rows to ranks"):
        if total == 0:
            raise DataError(f"{table.files[0]}: no rows to train on; see data.test and data.missing")
        cut = plan(total) if plan else even(total, comm.size)
    start, stop = pick.range_of(cut, comm)
    kind = np.dtype(dtype)
    room = reserve(table, cut) if reserve else Rows.reserve(table, int(np.diff(cut.cuts)[comm.rank]), kind)
    with comm.together("reading rows"):
        train, test = _read(table, pick, start, stop, room, kind)
        if other is not None:
            a, b = (other.rows * r // comm.size for r in (comm.rank, comm.rank + 1))
            everything = _Picker(other, data, pick.classes, np.empty(0), key(0, ""), np.empty(0, bool), 0)
            test, _ = _read(other, everything, a, b, Rows.reserve(other, b - a, kind), kind)
            test = Shard(categories.translate(test.x, maps), test.y, test.ids)
    tested = int(comm.sum(np.array([test.rows], np.int64), "split")[0])
    return Shards(train, test, total, tested, pick.classes, cut, table)


@dataclass(frozen=True)
class _Picker:
    """Decides for any run of rows which are dropped and which are the test set's."""

    table: Table
    data: Data
    classes: int
    limits: np.ndarray
    key: np.uint64
    kept: np.ndarray
    first: int

    @classmethod
    def make(cls, table: Table, data: Data, seed: int, comm: Comm) -> _Picker:
        """Scan an even slice of the table on each rank and agree on the split (collective)."""
        a, b = (table.rows * r // comm.size for r in (comm.rank, comm.rank + 1))
        with comm.together("scanning labels"):
            label = checks.labels(table, a, b)
            fine = _finite(table, a, b) if data.missing == "drop" else np.ones(b - a, bool)
        stored = len(table.classes)
        top = int(comm.max(float(label.max(initial=-1)), "split")) + 1
        classes = max(stored, top) if table.task == "classification" else 0
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


def _read(table: Table, pick: _Picker, start: int, stop: int, train: Rows, dtype: np.dtype[Any]) -> tuple[Shard, Shard]:
    """Read a run of table rows block by block into the training shard, for which there is room, and the test shard."""
    label = checks.labels(table, start, stop)
    tested = pick.tested(start, label)
    test = Rows.reserve(table, int(tested.sum()), dtype)
    for a, b in blocks(table, start, stop):
        x, y = table.read(a, b), _targets(table, a, b, dtype)
        bad = checks.not_finite(x)
        if bad.any() and pick.data.missing == "error":
            raise DataError(checks.name_bad(table, x, bad, a))
        bad &= pick.data.missing == "drop"
        held = tested[a - start : b - start]
        ids = np.arange(a, b)
        train.add(x, y, ids, ~held & ~bad)
        test.add(x, y, ids, held & ~bad)
    return Shard(*train.done()), Shard(*test.done())


def blocks(table: Table, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Cut a run of rows into blocks of bounded bytes."""
    width = max(table.features, 1) * table.dtype.itemsize if table.kind == "dense" else 1 << 10
    step = max(BLOCK // width, 1)
    for a in range(start, stop, step):
        yield a, min(a + step, stop)


def _finite(table: Table, start: int, stop: int) -> np.ndarray:
    fine = [~checks.not_finite(table.read(a, b)) for a, b in blocks(table, start, stop)]
    return np.concatenate([np.empty(0, bool), *fine])


def _targets(table: Table, start: int, stop: int, dtype: np.dtype[Any]) -> np.ndarray:
    """Return target and weight of a run of rows, (n, 2)."""
    out = np.ones((stop - start, 2), dtype)
    out[:, 0] = table.column("y", start, stop).reshape(-1)
    if table.has("weight"):
        out[:, 1] = table.column("weight", start, stop)
    return out
