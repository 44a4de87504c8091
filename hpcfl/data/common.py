"""A table's rows in memory once a node: every rank of it reads a part, and all see the whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.comm.window import shared
from hpcfl.data.csr import CSR
from hpcfl.data.plan import Plan, even
from hpcfl.data.shard import Shard, Shards, load
from hpcfl.data.store import Rows
from hpcfl.data.table import Table
from hpcfl.sections.data import Data


def load_once(data: Data, seed: int, dtype: np.typing.DTypeLike, node: Comm) -> Shards:
    """Read all training rows into memory that the ranks of `node` share, and of the test rows a part (collective).

    Returns
    -------
    Shards
        As if `hpcfl.data.shard.load` had read them for one rank alone, but for ``test``, which is
        this rank's part. Dense rows are in memory once at every moment, sparse ones twice while they are read.
    """
    whole: list[Rows] = []

    def reserve(table: Table, cut: Plan) -> Rows:
        kinds = Rows.reserve(table, 0, np.dtype(dtype))
        n, width = int(cut.cuts[-1]), kinds.x.shape[1]
        x, y, ids = (shared(node, s, a.dtype) for s, a in (((n, width), kinds.x), ((n, 2), kinds.y), ((n,), kinds.ids)))
        whole.append(Rows(x, y, ids))
        a, b = cut.cuts[node.rank : node.rank + 2]
        return Rows(x[a:b], y[a:b], ids[a:b])

    part = load(data, seed, dtype, node, reserve=reserve)
    node.barrier()
    rows, x = whole[0], part.train.x
    train = Shard(_joined(x, node) if isinstance(x, CSR) else rows.x, rows.y, rows.ids)
    return replace(part, train=train, plan=even(part.total, 1))


def _joined(x: CSR, node: Comm) -> CSR:
    """Put the sparse rows of all ranks one after the other (collective)."""
    sizes = node.allgather(np.array([len(x.indptr) - 1, x.indptr[-1]], np.int64), "counts")
    (row, at), (rows, nnz) = sizes[: node.rank].sum(0), sizes.sum(0).tolist()
    out = CSR(*(shared(node, (n,), a.dtype) for n, a in ((nnz, x.data), (nnz, x.indices), (rows + 1, x.indptr))))
    out.data[at : at + x.indptr[-1]], out.indices[at : at + x.indptr[-1]] = x.data, x.indices
    out.indptr[row + 1 : row + len(x.indptr)] = x.indptr[1:] + at
    node.barrier()
    return out


def size_of(table: Table) -> int:
    """Return the bytes of a dense table's features in memory; 0 for sparse rows."""
    kinds: Any = Rows.reserve(table, 0, np.dtype("float32")).x
    return int(table.rows * kinds.shape[1] * kinds.dtype.itemsize)
