"""Dealing work to ranks: who is least loaded, kept in a heap for each group of ranks."""

from __future__ import annotations

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


@exact
def assign(order, cost, group, heaps, starts, load, rank):
    """Give each piece of work to the least loaded rank of its group, the lowest of several.

    Parameters
    ----------
    order : (m,) int64
        In which the pieces are dealt.
    cost : (m,) float64
    group : (m,) int64
        The group of ranks that each piece may go to.
    heaps : (ranks,) int64
        The ranks, group after group; changed.
    starts : (groups + 1,) int64
        Where each group starts in `heaps`.
    load : (ranks,) float64
        What each rank has to do anyway; changed to what it has in the end.
    rank : (m,) int64
        Output: whose each piece is.
    """
    for g in range(starts.size - 1):
        heap = heaps[starts[g] : starts[g + 1]]
        for place in range(heap.size // 2 - 1, -1, -1):
            _sink(heap, place, load)
    for piece in order:
        heap = heaps[starts[group[piece]] : starts[group[piece] + 1]]
        rank[piece] = heap[0]
        load[heap[0]] += cost[piece]
        _sink(heap, 0, load)
