"""A small file that is to a program what a table is: the same features, dtypes and classes, values made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hpcfl.data import h5
from hpcfl.data.table import Table

ROWS, BYTES = 20_000, 1 << 28  # rows at most, unless more are asked for; bytes of dense ones
HELD = 1 << 22  # values of sparse rows, at most, unless that leaves less than one a row
LABELS = 1 << 20  # labels that are read at a time


def write(table: Table, path: Path, rows: int = ROWS) -> int:
    """Write the file, and return its rows; of the table, dense or CSR, labels alone are read.

    Parameters
    ----------
    rows : int
        At most; fewer if the table has fewer, or if they are wide.
    """
    rng = np.random.default_rng(0)
    n = min(rows, table.rows)
    attrs: dict[str, Any] = {k: v for k, v in table.attrs.items() if k in ("feature_names", "categorical")}
    attrs |= {"format": "hpcfl", "version": 1, "task": table.task}
    if table.kind == "csr":
        # As many values a row as the table has, on which the way that gradients are summed depends.
        held = min(-(-table.values // table.rows), max(HELD // n, 1), table.features)
        arrays = {
            "x/data": np.ones(n * held, table.dtype),
            "x/indices": np.tile(np.arange(held, dtype=np.int32), n),
            "x/indptr": np.arange(0, n * held + 1, held),
        }
        attrs["features"] = table.features
    else:
        n = min(n, max(BYTES // (table.features * table.dtype.itemsize), 64))
        arrays = {"x": rng.integers(0, 2, (n, table.features)).astype(table.dtype)}
    arrays["y"] = np.arange(n)
    if table.task == "classification":
        attrs["classes"] = list(table.classes) or [str(c) for c in range(_classes(table))]
        arrays["y"] %= len(attrs["classes"])
    if table.has("weight"):
        arrays["weight"] = 1.0 + np.arange(n) % 2
    h5.write_atomic(path, arrays, attrs)
    return n


def _classes(table: Table) -> int:
    """Return the number of classes of a table that names none."""
    most = [table.column("y", a, min(a + LABELS, table.rows)).max() for a in range(0, table.rows, LABELS)]
    return int(max(most)) + 1
