"""Room for a known number of rows, filled block by block: a shard is never in memory twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hpcfl.data.csr import CSR
from hpcfl.data.table import Table


@dataclass
class Rows:
    """Dense rows go into arrays reserved for all of them; sparse ones are joined at the end."""

    x: np.ndarray
    y: np.ndarray
    ids: np.ndarray
    used: int = 0
    sparse: list[CSR] = field(default_factory=list)

    @classmethod
    def reserve(cls, table: Table, rows: int, dtype: np.dtype[Any]) -> Rows:
        """Make room for `rows` rows of `table`, targets in `dtype`."""
        kind = held_as(table.dtype)
        width = table.features if table.kind == "dense" else 0
        return cls(np.empty((rows, width), kind), np.empty((rows, 2), dtype), np.empty(rows, np.int64))

    def add(self, x: Any, y: np.ndarray, ids: np.ndarray, keep: np.ndarray) -> None:
        """Append the rows of a block that `keep` (n,) bool marks."""
        a, b = self.used, self.used + int(keep.sum())
        if isinstance(x, CSR):
            self.sparse.append(take(x, keep))
        else:
            self.x[a:b] = x[keep]
        self.y[a:b], self.ids[a:b], self.used = y[keep], ids[keep], b

    def done(self) -> tuple[Any, np.ndarray, np.ndarray]:
        """Return x, y and ids of the rows that were added."""
        x: Any = self.x[: self.used]
        if self.sparse:
            ends = np.cumsum([0] + [int(s.indptr[-1]) for s in self.sparse])
            indptr = [s.indptr[1:] + e for s, e in zip(self.sparse, ends[:-1], strict=True)]
            x = CSR(
                np.concatenate([s.data for s in self.sparse]),
                np.concatenate([s.indices for s in self.sparse]),
                np.concatenate([np.zeros(1, np.int64), *indptr]),
            )
        return x, self.y[: self.used], self.ids[: self.used]


def held_as(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype in memory of rows stored as `dtype`: Numba has no float16 on the CPU, and no bool arithmetic."""
    return np.dtype({"float16": "float32", "bool": "uint8"}.get(dtype.name, dtype.newbyteorder("=")))


def take(x: CSR, keep: np.ndarray) -> CSR:
    """Return the rows of `x` that `keep` (n,) bool marks."""
    lengths = np.diff(x.indptr)
    inside = np.repeat(keep, lengths)
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths[keep])])
    return CSR(x.data[inside], x.indices[inside], indptr)
