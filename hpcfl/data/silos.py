"""Rows in memory -> dataset files, one a client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hpcfl.data import h5
from hpcfl.data.csr import CSR
from hpcfl.data.shard import Shard, Shards


def attributes(shards: Shards) -> dict[str, Any]:
    """Return the root attributes that files cut out of `shards` have in common, classes written out."""
    own = {name: shards.table.attrs[name] for name in ("feature_names",) if name in shards.table.attrs}
    if shards.table.kind == "csr":
        own["features"] = shards.table.features
    if not shards.classes:
        return {"format": "hpcfl", "version": 1, "task": "regression", **own}
    return {"format": "hpcfl", "version": 1, "task": "classification", "classes": list(shards.names), **own}


def write(path: Path, rows: Shard, keep: np.ndarray, attrs: dict[str, Any]) -> None:
    """Write the rows `keep` (m,) of `rows` as a dataset file; weights where they are not all 1."""
    target, weight = rows.y[keep, 0], rows.y[keep, 1]
    arrays = _features(rows.x, keep)
    arrays["y"] = target.astype(np.int64) if attrs["task"] == "classification" else target
    if (rows.y[:, 1] != 1).any():
        arrays["weight"] = weight
    h5.write_atomic(path, arrays, attrs)


def _features(x: Any, keep: np.ndarray) -> dict[str, np.ndarray]:
    if not isinstance(x, CSR):
        return {"x": x[keep]}
    lengths = np.diff(x.indptr)[keep]
    ends = np.cumsum(lengths)
    places = np.arange(lengths.sum()) + np.repeat(x.indptr[keep] - (ends - lengths), lengths)
    indptr = np.concatenate([[0], ends]).astype(np.int64)
    return {"x/data": x.data[places], "x/indices": x.indices[places], "x/indptr": indptr}
