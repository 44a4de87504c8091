"""Small nodes ship their rows to one rank each, which grows the rest of the tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.forest.over_trees import subtree
from hpcfl.forest.plan import Plan
from hpcfl.forest.target import Target
from hpcfl.forest.trees import Trees, empty, gather, join

if TYPE_CHECKING:
    from hpcfl.forest.over_rows import Frontier, Wave


def finish(
    wave: Wave, small: Frontier, rows: np.ndarray, target: Target, plan: Plan, comm: Comm
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the table of nodes with the trees below the `small` nodes added to it (collective).

    `rows` (k,) are the rows of each small node over all ranks.
    """
    owner = deal(rows, comm.size)
    codes, stats, sizes = exchange(wave, small, owner, comm)
    mine = np.flatnonzero(owner == comm.rank)
    grown = []
    ends = np.cumsum(sizes.reshape(-1)).reshape(sizes.shape)
    for j, i in enumerate(mine):
        order = np.concatenate(
            [np.arange(e - s, e, dtype=np.int32) for s, e in zip(sizes[:, j], ends[:, j], strict=True)]
        )
        grown.append(subtree(codes, order, stats[order], small.key[i], plan, target, int(small.level[i]), raw=True))
    return graft(wave, small, join(grown) if grown else empty(target.width, plan.words, np.float64), mine, comm)


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
    parts: tuple[list[np.ndarray], ...] = ([], [], [])
    for r in range(comm.size):
        spans = small.bounds[owner == r]
        rows = np.concatenate([np.empty(0, np.int64), *(np.arange(a, b) for a, b in spans)])
        block = wave.codes[wave.order[rows]].reshape(-1)
        for part, v in zip(parts, (block, wave.stats[rows], spans[:, 1] - spans[:, 0]), strict=True):
            part.append(v)
    codes, stats, sizes = (np.concatenate(comm.alltoallv(p, "node rows")) for p in parts)
    return np.asfortranarray(codes.reshape(-1, wave.codes.shape[1])), stats, sizes.reshape(comm.size, -1)


def graft(
    wave: Wave, small: Frontier, grown: Trees, mine: np.ndarray, comm: Comm
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Put the trees that the ranks grew in the places of their small nodes (collective)."""
    every = gather(grown, mine, comm)
    node = every.node.copy()
    base = len(wave.node) + np.repeat(every.starts[:-1], np.diff(every.starts))
    node[:, 2] = np.where(node[:, 0] >= 0, node[:, 2] + base, 0)
    at = every.starts[:-1]
    wave.node[small.at], wave.gain[small.at], wave.value[small.at] = node[at], every.gain[at], every.value[at]
    wave.sets[small.at] = every.sets[at]
    return (
        np.concatenate([wave.node, node]),
        np.concatenate([wave.gain, every.gain]),
        np.concatenate([wave.value, every.value]),
        np.concatenate([wave.sets, every.sets]),
    )
