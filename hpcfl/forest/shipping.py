"""Small nodes ship their rows to one rank each, which grows the rest of the tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.forest.over_trees import subtree
from hpcfl.forest.plan import Plan
from hpcfl.forest.target import Target
from hpcfl.forest.trees import Trees, empty, gather, join
from hpcfl.kernels import forest_level

if TYPE_CHECKING:
    from hpcfl.forest.over_rows import Frontier, Wave


def finish(
    wave: Wave, small: Frontier, rows: np.ndarray, target: Target, plan: Plan, comm: Comm
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the table of nodes with the trees below the `small` nodes added to it (collective).

    `rows` (k,) are the rows of each small node over all ranks.
    """
    if not small.at.size:
        return wave.node, wave.gain, wave.value, wave.sets
    owner = deal(rows, comm.size)
    codes, stats, sizes = exchange(wave, small, owner, comm)
    mine = np.flatnonzero(owner == comm.rank)
    grown = [empty(target.width, plan.words)]
    ends = np.cumsum(sizes.reshape(-1)).reshape(sizes.shape)
    for j, i in enumerate(mine):
        order = np.concatenate(
            [np.arange(e - s, e, dtype=np.int32) for s, e in zip(sizes[:, j], ends[:, j], strict=True)]
        )
        grown.append(subtree(codes, order, stats[order], small.key[i], plan, target, int(small.level[i])))
    return graft(wave, small, join(grown), mine, comm)


def deal(rows: np.ndarray, ranks: int) -> np.ndarray:
    """Return the rank that grows each node: the largest first, always to the least busy rank."""
    owner, busy = np.zeros(rows.size, np.int64), np.zeros(ranks)
    for i in np.argsort(-rows, kind="stable"):
        owner[i] = busy.argmin()
        busy[owner[i]] += rows[i]
    return owner


def exchange(wave: Wave, small: Frontier, owner: np.ndarray, comm: Comm) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bring the rows of each node to its owner (collective).

    Returns
    -------
    codes, stats : (m, d) uint8, (m,) int64
        The rows that came, by rank and then by node.
    sizes : (ranks, own nodes) int64
        How many came.
    """
    d, by_owner = wave.codes.shape[1], np.argsort(owner, kind="stable")
    spans = small.bounds[by_owner]
    sizes, ends = spans[:, 1] - spans[:, 0], np.cumsum(np.bincount(owner, minlength=comm.size))
    counts = np.concatenate(comm.alltoallv(np.split(sizes, ends[:-1]), "node rows")).reshape(comm.size, -1)
    out, into = np.bincount(owner[by_owner], sizes, comm.size).astype(np.int64), counts.sum(1)
    block, stats = np.empty((out.sum(), d), np.uint8), np.empty(out.sum(), np.int64)
    forest_level.collect(wave.codes, wave.order, wave.stats, spans, block, stats)
    got, got_stats = np.empty((into.sum(), d), np.uint8), np.empty(into.sum(), np.int64)
    comm.exchange(block.reshape(-1), out * d, got.reshape(-1), into * d, "node rows")
    comm.exchange(stats, out, got_stats, into, "node rows")
    del block, stats
    codes = np.empty(got.shape, np.uint8, order="F")
    forest_level.by_feature(got, codes)
    return codes, got_stats, counts


def graft(
    wave: Wave, small: Frontier, grown: Trees, mine: np.ndarray, comm: Comm
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Put the trees that the ranks grew in the places of their small nodes (collective)."""
    every, number = gather(grown, comm), comm.allgatherv(mine, "trees")
    node, base = every.node, len(wave.node) + np.repeat(every.starts[:-1], np.diff(every.starts))
    node[:, 2] = np.where(node[:, 0] >= 0, node[:, 2] + base, 0)
    at, to = every.starts[:-1], small.at[number]
    wave.node[to], wave.gain[to], wave.value[to], wave.sets[to] = (
        node[at],
        every.gain[at],
        every.value[at],
        every.sets[at],
    )
    return (
        np.concatenate([wave.node, node]),
        np.concatenate([wave.gain, every.gain]),
        np.concatenate([wave.value, every.value]),
        np.concatenate([wave.sets, every.sets]),
    )
