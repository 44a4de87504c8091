"""Who works in a round, and on which rank: known to every rank without a message."""

from __future__ import annotations

import numpy as np


def deal(cohort: np.ndarray, cost: np.ndarray, group: np.ndarray, groups: np.ndarray) -> list[np.ndarray]:
    """Deal clients to ranks, the costliest first, each to the least loaded rank that may run it.

    Parameters
    ----------
    cohort : (m,) int64
        Clients of the round.
    cost : (m,) float64
        Of each of them.
    group : (m,) int64
        The group of ranks that may run each one.
    groups : (ranks,) int64
        The group of each rank.

    Returns
    -------
    list of int64 arrays
        For each rank the places in `cohort` that it runs, ascending.
    """
    load = np.zeros(groups.size)
    rank = np.empty(cohort.size, np.int64)
    for place in np.lexsort((cohort, -cost)):
        able = np.flatnonzero(groups == group[place])
        rank[place] = able[np.argmin(load[able])]
        load[rank[place]] += cost[place]
    return [np.flatnonzero(rank == r) for r in range(groups.size)]
