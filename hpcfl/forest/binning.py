"""Features become bins: at most 255 of them by quantiles of a sample that depends on no rank."""

from __future__ import annotations

import numpy as np

from hpcfl import seeding
from hpcfl.comm.communicator import Comm
from hpcfl.data.csr import CSR
from hpcfl.data.split import row_hashes
from hpcfl.kernels import forest_rows

SAMPLE = 1 << 16  # rows that edges are drawn from
EDGES = 254  # bins 0 to 254; bin 255 is for missing values
BLOCK = 1 << 14  # rows that are encoded at once

Rows = np.ndarray | CSR


def edges(x: Rows, d: int, first: int, comm: Comm, seed: int, sample: int = SAMPLE) -> np.ndarray:
    """Return the upper edges of each feature's bins, (d, 254), unused ones infinite (collective).

    The sample is the `sample` rows of the whole table with the smallest hashes, so it is the
    same however rows are dealt. Each rank finds the edges of its share of the features.

    Parameters
    ----------
    x : (n, d) array or CSR
        This rank's rows; `first` is the number of the first of them among all training rows.
    """
    hashes = row_hashes(seeding.key(seed, "forest bins"), first, first + length(x))
    own = np.argsort(hashes, kind="stable")[:sample]
    every = comm.allgatherv(hashes[own], "bins")
    limit = np.partition(every, sample - 1)[sample - 1] if every.size > sample else every.max(initial=0)
    own = np.sort(own[hashes[own] <= limit])
    chosen = comm.allgatherv(dense(x, own, d).reshape(-1), "bins").reshape(-1, d)
    mine = range(comm.rank, d, comm.size)
    found = np.array([feature_edges(chosen[:, f]) for f in mine], chosen.dtype).reshape(-1, EDGES)
    return interleave(comm.allgatherv(found.reshape(-1), "bins").reshape(-1, EDGES), comm.size)


def feature_edges(values: np.ndarray) -> np.ndarray:
    """Return the ascending edges between at most 255 bins of `values`, (254,), padded with infinity.

    Few distinct values get a bin each, with edges half way between them; many get quantiles.
    """
    distinct, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    if distinct.size > EDGES + 1:
        share = np.cumsum(counts) / counts.sum()
        cuts = np.unique(np.searchsorted(share, np.arange(1, EDGES + 1) / (EDGES + 1)))
        cuts = cuts[cuts < distinct.size - 1]
    else:
        cuts = np.arange(max(distinct.size - 1, 0))
    low, high = distinct[cuts], distinct[cuts + 1] if cuts.size else distinct[:0]
    middle = low + (high - low) / 2
    out = np.full(EDGES, np.inf, values.dtype)
    out[: cuts.size] = np.where(middle < high, middle, low)
    return out


def with_categories(upper: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Give categorical features (1 in `kinds`) a bin for each code; codes from 254 on share the last one."""
    upper[kinds > 0] = np.arange(EDGES) + 0.5
    return upper


def codes(x: Rows, upper: np.ndarray) -> np.ndarray:
    """Return the bins of `x`, (n, d) uint8 with each row contiguous; NaN has bin 255."""
    n, d = length(x), upper.shape[0]
    out = np.empty((n, d), np.uint8)
    used = np.isfinite(upper).sum(1)
    for a in range(0, n, BLOCK):
        b = min(a + BLOCK, n)
        block = dense(x, np.arange(a, b), d).astype(upper.dtype, copy=False)
        forest_rows.encode(block, upper, used, out[a:b])
    return out


def share(own: np.ndarray, comm: Comm) -> np.ndarray:
    """Return the bins of all rows, (n, d) uint8 with each feature contiguous (collective)."""
    rows = int(comm.sum(np.array([len(own)], np.int64), "bins")[0])
    out = np.empty((own.shape[1], rows), np.uint8)
    for f, feature in enumerate(out):
        feature[:] = comm.allgatherv(own[:, f], "bins")
    return out.T


def length(x: Rows) -> int:
    """Return the number of rows."""
    return x.indptr.size - 1 if isinstance(x, CSR) else x.shape[0]


def dense(x: Rows, rows: np.ndarray, d: int) -> np.ndarray:
    """Return `rows` of `x` as a float array: float64 stays, all else becomes float32."""
    if isinstance(x, CSR):
        out = np.zeros((rows.size, d), np.float64 if x.data.dtype == np.float64 else np.float32)
        for i, row in enumerate(rows):
            a, b = x.indptr[row], x.indptr[row + 1]
            out[i, x.indices[a:b]] = x.data[a:b]
        return out
    return np.ascontiguousarray(x[rows], np.float64 if x.dtype == np.float64 else np.float32)


def interleave(parts: np.ndarray, ranks: int) -> np.ndarray:
    """Bring rows that came rank by rank (rank r had r, r + ranks, ...) into their order."""
    d = parts.shape[0]
    out = np.empty_like(parts)
    out[np.concatenate([np.arange(r, d, ranks) for r in range(ranks)])] = parts
    return out
