"""What a dataset file holds, counted block by block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from hpcfl.data.attributes import attributes
from hpcfl.data.csr import CSR
from hpcfl.data.h5 import open_read
from hpcfl.data.table import RATINGS, Table, open_table
from hpcfl.errors import DataError

BLOCK = 8 << 20
NAMED = 10
LABELS = 1000


def describe(path: str) -> dict[str, Any]:
    """Return what ``hpcfl inspect`` prints about one file; every value can be written as JSON.

    ``datasets`` and ``attributes`` are there for any HDF5 file; the rest for dataset files, or a
    file with the same dataset names. Memory: a block of about 8 MiB, and counters per feature.

    Raises
    ------
    DataError
        If the file is missing, damaged, or its datasets do not fit each other.
    """
    with open_read(path) as file:
        out: dict[str, Any] = {"file": path, "datasets": _datasets(file), "attributes": attributes(file)}
        known = "x" in file or all(name in file for name in RATINGS)
    if not known:
        return out
    table = open_table(path)
    head = {"kind": table.kind, "task": table.task, "rows": table.rows, "features": table.features}
    head["dtype"] = str(table.dtype)
    try:
        body = _ratings(table, out["attributes"]) if table.kind == "ratings" else _table(table)
    except OSError as error:
        raise DataError(f"{path} cannot be read to its end ({error}); copy or convert it again") from None
    return {"file": path, **head, **body, "datasets": out["datasets"], "attributes": out["attributes"]}


def _table(table: Table) -> dict[str, Any]:
    labels = _labels(table) if table.has("y") else {}
    return {**labels, **_missing(table)}


def _runs(table: Table) -> Iterator[tuple[int, int]]:
    """Yield runs of rows of about 8 MiB."""
    step = max(1, BLOCK // max(1, table.features * table.dtype.itemsize)) if table.kind == "dense" else 1 << 14
    return ((a, min(a + step, table.rows)) for a in range(0, table.rows, step))


def _labels(table: Table) -> dict[str, Any]:
    """Return rows by class, or the range of a regression's targets."""
    counts: Counter[Any] = Counter()
    low, high, total = np.inf, -np.inf, 0.0
    for a in range(0, table.rows, BLOCK // 8):
        y = table.column("y", a, min(a + BLOCK // 8, table.rows))
        if table.task == "classification":
            values, n = np.unique(y, return_counts=True)
            counts.update(dict(zip(values.tolist(), n.tolist(), strict=True)))
        else:
            low, high, total = min(low, float(y.min())), max(high, float(y.max())), total + float(y.sum())
    if table.task != "classification":
        return {"target": _range(low, high, total / max(table.rows, 1))}
    if not table.classes:
        return {"classes": {str(v): counts[v] for v in sorted(counts)[:LABELS]}}
    known = {name: counts.pop(i, 0) for i, name in enumerate(table.classes)}
    return {"classes": known, **({"labels_out_of_range": sum(counts.values())} if counts else {})}


def _missing(table: Table) -> dict[str, Any]:
    """Return how many values are NaN or infinite, and in which columns (the 10 worst)."""
    nan, inf = np.zeros(table.features, np.int64), np.zeros(table.features, np.int64)
    stored = 0
    for a, b in _runs(table):
        x = table.read(a, b)
        if isinstance(x, CSR):
            stored += len(x.data)
            for count, bad in ((nan, np.isnan(x.data)), (inf, np.isinf(x.data))):
                np.add.at(count, x.indices[bad], 1)
        elif x.dtype.kind == "f":
            nan += np.isnan(x).sum(axis=0)
            inf += np.isinf(x).sum(axis=0)
    names = table.attrs.get("feature_names") or [str(j) for j in range(min(table.features, 1 << 20))]
    worst = [int(j) for j in np.argsort(-(nan + inf), kind="stable")[:NAMED] if nan[j] + inf[j]]
    columns = {str(names[j]): {"nan": int(nan[j]), "inf": int(inf[j])} for j in worst}
    missing = {"nan": int(nan.sum()), "inf": int(inf.sum()), "columns": columns}
    missing["columns_affected"] = int(np.count_nonzero(nan + inf))
    size = {"stored": stored, "density": stored / max(table.rows * table.features, 1)} if table.kind == "csr" else {}
    return {**size, "missing": missing}


def _ratings(table: Table, attrs: dict[str, Any]) -> dict[str, Any]:
    """Return users, items, density, and the range of the ratings."""
    tops = {"user": -1, "item": -1}
    low, high, total, bad = np.inf, -np.inf, 0.0, 0
    for a in range(0, table.rows, BLOCK // 8):
        b = min(a + BLOCK // 8, table.rows)
        for name, top in tops.items():
            tops[name] = max(top, int(table.column(name, a, b).max()))
        rating = table.column("rating", a, b)
        fine = rating[np.isfinite(rating)]
        bad += len(rating) - len(fine)
        low, high = min(low, float(fine.min(initial=np.inf))), max(high, float(fine.max(initial=-np.inf)))
        total += float(fine.sum(dtype=np.float64))
    users, items = int(attrs.get("users", tops["user"] + 1)), int(attrs.get("items", tops["item"] + 1))
    mean = total / max(table.rows - bad, 1)
    out = {"users": users, "items": items, "ratings": table.rows, "density": table.rows / max(users * items, 1)}
    return {**out, "rating": _range(low, high, mean), "missing": {"not_finite": bad}}


def _range(low: float, high: float, mean: float) -> dict[str, float | None]:
    """Return the three, None (which JSON knows) for what is not finite."""
    return {n: v if np.isfinite(v) else None for n, v in (("min", low), ("max", high), ("mean", mean))}


def _datasets(file: h5py.File) -> dict[str, Any]:
    out: dict[str, Any] = {}

    def take(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            kind = "text" if h5py.check_string_dtype(item.dtype) else str(item.dtype)
            chunks = list(item.chunks) if item.chunks else None
            out[name] = {"shape": list(item.shape), "dtype": kind, "chunks": chunks, "compression": item.compression}

    file.visititems(take)
    return out
