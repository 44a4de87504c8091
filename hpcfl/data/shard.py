"""A rank's rows in memory: the table's rows that its plan gives it, and its part of the test set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.data import categories, checks, names
from hpcfl.data.lazy import Lazy
from hpcfl.data.plan import Plan, even
from hpcfl.data.scan import Picker, blocks, finite
from hpcfl.data.store import Rows, held_as
from hpcfl.data.table import Table, open_table
from hpcfl.errors import DataError
from hpcfl.sections.data import Data
from hpcfl.seeding import key


@dataclass(frozen=True)
class Shard:
    """Rows of one rank.

    Attributes
    ----------
    x : (n, d) array, CSR or Lazy
        Features as stored (float16 as float32), or left on disk.
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

    def parts(self) -> Iterator[Any]:
        """Yield x: at once, or, if it is on disk, part by part."""
        yield from self.x.parts() if isinstance(self.x, Lazy) else [self.x]


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

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes, their numbers if the table names none; () for regression."""
        return class_names(self.table, self.classes)


def class_names(table: Table, classes: int) -> tuple[str, ...]:
    """Return the names of the `classes` classes of `table`; see `Shards.names`."""
    return table.classes or tuple(str(c) for c in range(classes)) if classes else ()


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
        table, other = _open(data, codes)
    pick = Picker.make(table, data, seed, comm)
    total = int(comm.sum(np.array([pick.kept.sum()], np.int64), "split")[0])
    with comm.together("dealing rows to ranks"):
        if total == 0:
            raise DataError(f"{table.files[0]}: no rows to train on; see data.test and data.missing")
        cut = plan(total) if plan else even(total, comm.size)
        width = row_bytes(table)
    start, stop = pick.range_of(cut, comm)
    kind = np.dtype(dtype)
    here = (stop - start + (other.rows // comm.size if other else 0)) * width
    lazy = data.order == "blocks" and comm.max(here, "split") > data.memory_limit * 2**20
    mine = int(np.diff(cut.cuts)[comm.rank])
    room = None if lazy else reserve(table, cut) if reserve else Rows.reserve(table, mine, kind)
    with comm.together("reading rows"):
        train, test = _read(table, pick, start, stop, room, kind)
        if other is not None:
            test = read_test(other, table, pick.classes, data, kind, comm, lazy)
    tested = int(comm.sum(np.array([test.rows], np.int64), "split")[0])
    return Shards(train, test, total, tested, pick.classes, cut, table)


def _open(data: Data, codes: bool) -> tuple[Table, Table | None]:
    """Return the training table, and that of a test file if there is one."""
    table = open_table(data.train, data.x, data.y, data.task)
    checks.trainable(table)
    if not codes:
        categories.refuse(table)
    if not isinstance(data.test, str) or data.test == "none":
        return table, None
    return table, open_test(data.test, data, table)


def open_test(path: str, data: Data, table: Table) -> Table:
    """Return the table of the test file `path`.

    Raises
    ------
    DataError
        Its columns are not those of the training rows in `table`, or it has no rows.
    """
    other = open_table(path, data.x, data.y, table.task)
    checks.trainable(other)
    if (other.features, other.kind) != (table.features, table.kind):
        raise DataError(f"{path}: {other.features} features, the training data has {table.features}")
    names.columns(path, other.attrs, table.files[0], table.attrs)
    categories.translation(other, table.attrs.get("categorical", {}))
    return other


def read_test(
    other: Table, table: Table, classes: int, data: Data, dtype: np.dtype[Any], comm: Comm, lazy: bool = False
) -> Shard:
    """Return this rank's rows of a test file, categories and labels numbered as in `table`; see `load`.

    Parameters
    ----------
    classes : int
        Of the training rows; 0 for regression.
    lazy : bool
        Whether features stay on disk.
    """
    a, b = (other.rows * r // comm.size for r in (comm.rank, comm.rank + 1))
    everything = Picker(other, data, classes, np.empty(0), key(0, ""), np.empty(0, bool), 0)
    test, _ = _read(other, everything, a, b, None if lazy else Rows.reserve(other, b - a, dtype), dtype)
    if classes:
        label = test.y[:, 0].astype(np.int64)
        test.y[:, 0] = checks.known(other, label, test.ids, class_names(table, classes))
    maps = categories.translation(other, table.attrs.get("categorical", {}))
    return Shard(categories.translate(test.x, maps), test.y, test.ids)


def _read(
    table: Table, pick: Picker, start: int, stop: int, train: Rows | None, dtype: np.dtype[Any]
) -> tuple[Shard, Shard]:
    """Read a run of table rows block by block into the training shard, for which there is room, and the test shard.

    Without room features stay on disk.
    """
    label = checks.labels(table, start, stop)
    tested = pick.tested(start, label)
    if train is None:
        return _on_disk(table, pick.data.missing, tested, start, dtype)
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


def _on_disk(table: Table, missing: str, tested: np.ndarray, start: int, dtype: np.dtype[Any]) -> tuple[Shard, Shard]:
    """Return training and test shard of the rows from `start` on, of which only targets are read."""
    stop = start + len(tested)
    fine = finite(table, start, stop) if missing == "drop" else np.ones(len(tested), bool)
    y, ids = _targets(table, start, stop, dtype), np.arange(start, stop)
    parts = [(y[which], ids[which]) for which in (fine & ~tested, fine & tested)]
    train, test = (Shard(Lazy(table, rows, missing == "error"), target, rows) for target, rows in parts)
    return train, test


def row_bytes(table: Table) -> float:
    """Return the bytes of a row's features in memory, in the mean over the table."""
    if table.kind == "csr":
        return table.values / max(table.rows, 1) * (table.dtype.itemsize + 4) + 8
    return table.features * held_as(table.dtype).itemsize


def _targets(table: Table, start: int, stop: int, dtype: np.dtype[Any]) -> np.ndarray:
    """Return target and weight of a run of rows, (n, 2)."""
    out = np.ones((stop - start, 2), dtype)
    out[:, 0] = table.column("y", start, stop)
    if table.has("weight"):
        out[:, 1] = table.column("weight", start, stop)
    return out
