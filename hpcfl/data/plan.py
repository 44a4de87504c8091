"""Which rank owns which training rows: rules that follow from the job file and the row count."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hpcfl.errors import UsageError

PIECES = 1024  # runs of rows whose statistics are merged one by one where no batch says otherwise


@dataclass(frozen=True)
class Plan:
    """How n training rows are cut.

    Attributes
    ----------
    cuts : (ranks + 1,) int64
        First row of each rank, and n.
    segments : (k + 1,) int64
        Bounds of runs whose sums are merged in order; every cut is among them. In reproducible
        mode they do not depend on the ranks.
    strata : (s + 1,) int64
        Bounds of the strata of a batch (see `strata_bounds`); empty where there are none.
    groups : int
        Groups of a batch whose gradients are added in a fixed tree; 0 is none.
    depth : int
        Rows that a stratum gives to a batch at most.
    """

    cuts: np.ndarray
    segments: np.ndarray
    strata: np.ndarray
    groups: int = 0
    depth: int = 1

    def owned(self, bounds: np.ndarray, rank: int) -> tuple[int, int]:
        """Return the first and last + 1 of the intervals of `bounds` that `rank` owns."""
        a, b = np.searchsorted(bounds, self.cuts[rank : rank + 2])
        return int(a), int(b)


def strata_bounds(n: int, strata: int) -> np.ndarray:
    """Return the bounds of `strata` runs of n rows, equal up to one row, the longer ones first."""
    index = np.arange(strata + 1, dtype=np.int64)
    return index * (n // strata) + np.minimum(index, n % strata)


def even(n: int, ranks: int) -> Plan:
    """Cut n rows for work that has no batches: each rank a run of the same fixed pieces."""
    segments = strata_bounds(n, max(min(n, PIECES), 1))
    if ranks >= len(segments):
        raise UsageError(f"{ranks} ranks for {n} rows: use at most {len(segments) - 1} ranks")
    k = len(segments) - 1
    return Plan(segments[np.arange(ranks + 1) * k // ranks], segments, np.empty(0, np.int64))


def batches(n: int, batch_size: int, ranks: int) -> Plan:
    """Cut n rows into the strata of a batch, dealt to ranks in contiguous runs."""
    strata = strata_bounds(n, min(batch_size, n))
    s = len(strata) - 1
    if ranks > s:
        raise UsageError(
            f"{ranks} ranks share batches of {s} rows, so some have none: "
            f"set train.batch_size to {ranks} or more, or start at most {s} ranks"
        )
    cuts = strata[np.arange(ranks + 1) * s // ranks]
    return Plan(cuts, cuts, strata)


def streamed(n: int, batch_size: int, streams: int, ranks: int, groups: int | None) -> Plan:
    """Cut n rows into streams, of which each gives its share of a batch.

    Parameters
    ----------
    streams : int
        At most; there are no more than rows in a batch.
    groups : int or None
        As in `grouped`; None is plain mode.
    """
    streams = min(streams, batch_size, n)
    if ranks > streams:
        raise UsageError(f"{ranks} ranks share {streams} streams: raise data.streams and train.batch_size")
    depth = -(-batch_size // streams)
    if groups is None:
        return replace(batches(n, streams, ranks), depth=depth)
    most = 1 << streams.bit_length() - 1
    groups = groups or min(1 << max(batch_size // 32, 1).bit_length() - 1, most, 64)
    return replace(grouped(n, streams, ranks, groups), depth=depth)


def grouped(n: int, batch_size: int, ranks: int, groups: int) -> Plan:
    """Cut n rows as `batches` does, at the bounds of groups (reproducible mode).

    Parameters
    ----------
    groups : int
        A power of two; 0 takes the largest one that leaves 32 rows a group, at most 64.
    """
    strata = strata_bounds(n, min(batch_size, n))
    s = len(strata) - 1
    groups = groups or min(1 << max(s // 32, 1).bit_length() - 1, 64)
    if groups > s:
        raise UsageError(f"train.groups = {groups} for batches of {s} rows: at most {s} groups")
    if ranks > groups:
        needed = 1 << (ranks - 1).bit_length()
        rows = f"train.batch_size to {needed} or more and " if needed > s else ""
        raise UsageError(
            f"reproducible = true, or a compressor, works on {groups} groups of a batch, too few for {ranks} ranks: "
            f"set {rows}train.groups to {needed}, or start at most {groups} ranks"
        )
    segments = strata[np.arange(groups + 1) * s // groups]
    return Plan(segments[np.arange(ranks + 1) * groups // ranks], segments, strata, groups)
