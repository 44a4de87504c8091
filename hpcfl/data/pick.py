"""Some rows of a shard, and shards one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpcfl.data.csr import CSR
from hpcfl.data.shard import Shard

COLUMNS = 1 << 24  # elements that `reorder` copies at a time


def rows(x: Any, which: np.ndarray) -> Any:
    """Return the rows numbered `which` (n,) of dense or CSR `x`, in this order."""
    if not isinstance(x, CSR):
        return x[which]
    lengths = np.diff(x.indptr)[which]
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    inside = np.arange(indptr[-1]) + np.repeat(x.indptr[which] - indptr[:-1], lengths)
    return CSR(x.data[inside], x.indices[inside], indptr)


def take(shard: Shard, which: np.ndarray) -> Shard:
    """Return the rows numbered `which` (n,) of `shard`, in this order."""
    return Shard(rows(shard.x, which), shard.y[which], shard.ids[which])


def reorder(shard: Shard, order: np.ndarray) -> None:
    """Let the rows of a dense `shard` lie in `order` (n,), in place, a few columns at a time."""
    width = max(COLUMNS // max(shard.rows, 1), 1)
    for a in range(0, shard.x.shape[1], width):
        shard.x[:, a : a + width] = shard.x[order, a : a + width]
    shard.y[:], shard.ids[:] = shard.y[order], shard.ids[order]


def join(shards: list[Shard]) -> Shard:
    """Return the rows of one or more shards, one after the other."""
    y, ids = (np.concatenate([getattr(s, name) for s in shards]) for name in ("y", "ids"))
    if not isinstance(shards[0].x, CSR):
        return Shard(np.concatenate([s.x for s in shards]), y, ids)
    ends = np.cumsum([0] + [int(s.x.indptr[-1]) for s in shards])
    indptr = [np.zeros(1, np.int64)] + [s.x.indptr[1:] + e for s, e in zip(shards, ends, strict=False)]
    data, indices = (np.concatenate([getattr(s.x, name) for s in shards]) for name in ("data", "indices"))
    return Shard(CSR(data, indices, np.concatenate(indptr)), y, ids)
