"""Dealing work to ranks: who is least loaded, kept in a heap for each group of ranks."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import exact, exact_part


@exact_part
def _less(load, a, b):
    """Return whether rank `a` is to be asked before rank `b`."""
    return load[a] < load[b] or (load[a] == load[b] and a < b)


@exact_part
def _sink(heap, place, load):
    """Move the rank at `place` down to where it belongs."""
    rank = heap[place]
    while 2 * place + 1 < heap.size:
        child = 2 * place + 1
        if child + 1 < heap.size and _less(load, heap[child + 1], heap[child]):
            child += 1
        if not _less(load, heap[child], rank):
            break
        heap[place] = heap[child]
        place = child
    heap[place] = rank


@exact_part
def _grouped(kinds, starts, order):
    """Order the numbers of `kinds` (n,) by kind; `starts` (kinds + 1 or more,) says where each kind starts."""
    starts[:] = 0
    for kind in kinds:
        starts[kind + 1] += 1
    for k in range(1, starts.size):
        starts[k] += starts[k - 1]
    for n in range(kinds.size - 1, -1, -1):  # backwards: each kind's end moves to its start
        kind = kinds[n]
        starts[kind + 1] -= 1
        order[starts[kind + 1]] = n
    for k in range(1, starts.size - 1):
        starts[k] = starts[k + 1]
    starts[starts.size - 1] = kinds.size


@exact
def assign(order, bounds, cost, group, groups, first, starts, places):
    """Give each piece of work of each round to the least loaded rank of its group, the lowest of several.

    Parameters
    ----------
    order : (m,) int64
        In which the pieces are dealt, one round after the other.
    bounds : (rounds + 1,) int64
        Where each round's pieces start, in all of these.
    cost : (m,) float64
    group : (m,) int64
        The group of ranks that each piece may go to.
    groups : (ranks,) int64
        The group of each rank.
    first : float
        What rank 0 has to do anyway in each round.
    starts : (rounds, ranks + 1) int64
        Output: where each rank's pieces start among those of the round in `places`, and the end.
    places : (m,) int64
        Output: of each round the pieces of rank 0, of rank 1, ..., ascending, counted from its first.
    """
    members, runs = np.empty(groups.size, np.int64), np.empty(groups.size + 1, np.int64)
    _grouped(groups, runs, members)
    heap, load, rank = np.empty_like(members), np.empty(groups.size), np.empty_like(order)
    for t in range(starts.shape[0]):
        a, b = bounds[t], bounds[t + 1]
        load[:] = 0.0
        load[0] = first
        heap[:] = members
        for g in range(groups.size):
            part = heap[runs[g] : runs[g + 1]]
            for place in range(part.size // 2 - 1, -1, -1):
                _sink(part, place, load)
        for piece in order[a:b]:
            part = heap[runs[group[piece]] : runs[group[piece] + 1]]
            rank[piece] = part[0]
            load[part[0]] += cost[piece]
            _sink(part, 0, load)
        _grouped(rank[a:b], starts[t], places[a:b])


@exact
def worked(steps, in_epoch, rows, batch, bounds, out):
    """Write the rows that the clients of each round train on, each pass counted, and those that they have.

    Parameters
    ----------
    steps, in_epoch, rows : (m,) int64
        Steps of each, steps of a pass, rows.
    batch : int
        Rows of a step; the last one of a pass may have fewer.
    bounds : (rounds + 1,) int64
        Where each round's clients start.
    out : (rounds, 2) int64
    """
    for t in range(out.shape[0]):
        out[t] = 0
        for i in range(bounds[t], bounds[t + 1]):
            passes, rest = steps[i] // in_epoch[i], steps[i] % in_epoch[i]
            out[t, 0] += passes * rows[i] + min(rest * batch, rows[i])
            out[t, 1] += rows[i]
