"""Who works in a round, and on which rank: known to every rank without a message."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from hpcfl.kernels.deal import assign


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
    trained : int
        Rows that they train on, each pass counted.
    total : int
        The sum of `rows`.
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
    trained: int
    total: int
    asked: int = 0


def deal(
    cohort: np.ndarray, cost: np.ndarray, group: np.ndarray, groups: np.ndarray, first: float = 0.0
) -> list[np.ndarray]:
    """Deal the clients of one round; see `deal_all`."""
    return deal_all(cohort, [0, cohort.size], cost, group, groups, first)[0]


def deal_all(
    cohort: np.ndarray, bounds: list[int], cost: np.ndarray, group: np.ndarray, groups: np.ndarray, first: float
) -> list[list[np.ndarray]]:
    """Deal clients to ranks, round by round, the costliest first, each to the least loaded rank that may run it.

    Parameters
    ----------
    cohort : (m,) int64
        Clients of the rounds.
    bounds : (rounds + 1,) list of int
        Where each round's clients begin, in all of these.
    cost : (m,) float64
        Of each of them.
    group : (m,) int64
        The group of ranks that may run each one.
    groups : (ranks,) int64
        The group of each rank.
    first : float
        Cost of what rank 0 has to do beside.

    Returns
    -------
    (rounds,) list of list of int64 arrays
        For each rank the places in the round's cohort that it runs, ascending.
    """
    if groups.size == 1:
        return [[np.arange(b - a)] for a, b in pairwise(bounds)]
    ends = np.array(bounds)
    starts, places = np.empty((ends.size - 1, groups.size + 1), np.int64), np.empty(cohort.size, np.int64)
    order = np.lexsort((cohort, -cost, np.repeat(np.arange(ends.size - 1), np.diff(ends))))
    assign(order, ends, cost, group, groups, first, starts, places)
    return [[places[c:d] for c, d in pairwise(row)] for row in (starts + ends[:-1, None]).tolist()]


def log_steps(size: int, batch: int) -> float:
    """Return about how many local steps take as long as what rank 0 does while others train already: it writes the log.

    Measured on one core; a wrong guess costs time and changes nothing else.

    Parameters
    ----------
    size : int
        Parameters of the model.
    batch : int
        Rows of a step.
    """
    step = 0.15 + size * (1.2e-4 + 3.5e-5 * batch)  # microseconds
    return 12.0 / step


def slabs(places: list[np.ndarray], rank: int, most: int) -> list[np.ndarray]:
    """Cut the places of `rank` into runs of at most `most`, as many of them as every other rank has."""
    longest = max(p.size for p in places)
    return np.array_split(places[rank], -(-longest // most)) if longest > most else [places[rank]]
