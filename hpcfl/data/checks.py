"""What a table must be to train on, said in one line with its file, row and column."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpcfl.data.csr import CSR
from hpcfl.data.table import Table
from hpcfl.errors import DataError


def trainable(table: Table) -> None:
    """Refuse a table without rows, features or targets."""
    file = table.files[0]
    if table.rows == 0:
        raise DataError(f"{file}: no rows; convert it again")
    if table.kind != "ratings" and not table.has("y"):
        raise DataError(f"{file}: no dataset '{table.names['y']}' to train on; name the targets with data.y")
    if table.kind == "csr" and table.dtype.kind != "f":
        raise DataError(f"{file}: CSR values are {table.dtype}; float32 or float64 is needed")


def labels(table: Table, start: int, stop: int) -> np.ndarray:
    """Return the targets of a run of rows as int64 labels; zeros for regression.

    Raises
    ------
    DataError
        A label is no whole number, or not in 0..classes-1; a target is not finite.
    """
    y = table.column("y", start, stop)
    if y.dtype.kind not in "fuib":
        raise DataError(
            f"{table.files[0]}: '{table.names['y']}' is {y.dtype}, numbers are needed; number the classes from 0, "
            "and name them in the attribute 'classes' if you like"
        )
    if table.task != "classification":
        _refuse(table, start, ~np.isfinite(y), y, "finite targets are needed; drop or mend the row")
        return np.zeros(stop - start, np.int64)
    stored = len(table.classes)
    limit = f"0 to {stored - 1}" if stored else "0, 1, ..."
    wrong = (y < 0) | (y >= (stored or np.iinfo(np.int32).max))
    _refuse(table, start, wrong, y, f"labels run over {limit}; number them so, or mend the row")
    with np.errstate(invalid="ignore"):
        label = y.astype(np.int64)
    _refuse(table, start, label != y, y, "labels are whole numbers; convert with --task regression or mend the row")
    return label


def known(table: Table, label: np.ndarray, rows: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    """Return the labels (m,) of the `rows` (m,) of `table` as numbers of a model's `classes`, by name if it has names.

    Raises
    ------
    DataError
        A class is none of the model's.
    """
    if table.classes and table.classes != classes:
        strange = [name for name in table.classes if name not in classes]
        if strange:
            raise DataError(f"{table.files[0]}: class '{strange[0]}' is none of the model's: {', '.join(classes)}")
        return np.array([classes.index(name) for name in table.classes], np.int64)[label]
    wrong = np.flatnonzero(label >= len(classes))
    if wrong.size:
        place, last = where(table, int(rows[wrong[0]])), len(classes) - 1
        raise DataError(f"{place}: label {label[wrong[0]]}, the model knows 0 to {last}; mend the file")
    return label


def not_finite(x: np.ndarray | CSR) -> np.ndarray:
    """Return which rows hold NaN or infinity, (n,) bool."""
    if isinstance(x, CSR):
        bad = ~np.isfinite(x.data)
        if not bad.any():
            return np.zeros(len(x.indptr) - 1, bool)
        return np.asarray(np.add.reduceat(np.append(bad, False), x.indptr[:-1]) > 0) & (np.diff(x.indptr) > 0)
    if x.dtype.kind != "f" or np.isfinite(x.sum(dtype=np.float64)):
        return np.zeros(len(x), bool)
    return np.asarray(~np.isfinite(x).all(axis=1))


def name_bad(table: Table, x: Any, bad: np.ndarray, start: int) -> str:
    """Return the message that names the first bad value of a block that starts at row `start`."""
    row = int(np.argmax(bad))
    if isinstance(x, CSR):
        a, b = x.indptr[row : row + 2]
        at = a + int(np.argmin(np.isfinite(x.data[a:b])))
        column, value = int(x.indices[at]), x.data[at]
    else:
        column = int(np.argmin(np.isfinite(x[row])))
        value = x[row, column]
    names = table.attrs.get("features_names") or table.attrs.get("feature_names") or []
    name = f" ('{names[column]}')" if column < len(names) else ""
    return (
        f"{where(table, start + row)}, column {column}{name}: {value} is not a finite number; "
        'mend it, or set data.missing = "drop"'
    )


def where(table: Table, row: int) -> str:
    """Return the file and the row in it of a row of the table."""
    i = int(np.searchsorted(table.starts, row, "right")) - 1
    return f"{table.files[i]}: row {row - table.starts[i]}"


def _refuse(table: Table, start: int, wrong: np.ndarray, y: np.ndarray, advice: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(f"{where(table, start + row)}: '{table.names['y']}' is {y[row]}; {advice}")
