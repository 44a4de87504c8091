"""Who works in a round, and on which rank: known to every rank without a message."""

from __future__ import annotations

from heapq import heapreplace
from typing import NamedTuple

import numpy as np


class Cohort(NamedTuple):
    """The clients of a round whose updates the server gets, in the order in which they were drawn.

    Attributes
    ----------
    ids : (m,) int64
    rows : (m,) float64
        Their training rows.
    steps : (m,) int64
        Local steps of each.
    places : list of int64 arrays
        For each rank the places in `ids` that it runs.
    absent : (k,) int64
        Clients that were drawn too, but dropped out, came too late or were left behind.
    seconds : float
        Simulated length of the round.
    ages : (m,) int64
        How often the server has moved since each client was told its model; 0 but for asynchronous ones.
    asked : int
        Clients that were told the model for the sampler to learn their losses.
    """

    ids: np.ndarray
    rows: np.ndarray
    steps: np.ndarray
    places: list[np.ndarray]
    absent: np.ndarray
    seconds: float
    ages: np.ndarray
    asked: int = 0


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
    heaps = [[(0.0, int(rank)) for rank in np.flatnonzero(groups == g)] for g in range(int(groups.max()) + 1)]
    rank = np.empty(cohort.size, np.int64)
    for place in np.lexsort((cohort, -cost)).tolist():
        load, r = heaps[group[place]][0]
        rank[place] = r
        heapreplace(heaps[group[place]], (load + float(cost[place]), r))
    return [np.flatnonzero(rank == r) for r in range(groups.size)]


def slabs(places: list[np.ndarray], rank: int, most: int) -> list[np.ndarray]:
    """Cut the places of `rank` into runs of at most `most`, as many of them as every other rank has."""
    longest = max(p.size for p in places)
    return np.array_split(places[rank], -(-longest // most)) if longest > most else [places[rank]]
