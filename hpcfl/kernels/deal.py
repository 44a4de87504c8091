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
def assign(order, cost, group, groups, load, spare, rank, places):
    """Give each piece of work to the least loaded rank of its group, the lowest of several.

    Parameters
    ----------
    order : (m,) int64
        In which the pieces are dealt.
    cost : (m,) float64
    group : (m,) int64
        The group of ranks that each piece may go to.
    groups : (ranks,) int64
        The group of each rank.
    load : (ranks,) float64
        What each rank has to do anyway; changed to what it has in the end.
    spare : (2, ranks + 1) int64
        Scratch; the second row is where each rank's pieces start in `places`, and the end.
    rank, places : (m,) int64
        Output: whose each piece is; the pieces of rank 0, of rank 1, ..., ascending.
    """
    heaps, starts = spare[0], spare[1]
    _grouped(groups, starts, heaps)
    for g in range(groups.size):
        heap = heaps[starts[g] : starts[g + 1]]
        for place in range(heap.size // 2 - 1, -1, -1):
            _sink(heap, place, load)
    for piece in order:
        heap = heaps[starts[group[piece]] : starts[group[piece] + 1]]
        rank[piece] = heap[0]
        load[heap[0]] += cost[piece]
        _sink(heap, 0, load)
    _grouped(rank, starts, places)


@exact
def worked(steps, in_epoch, rows, batch):
    """Return the rows that clients train on, each pass counted, and those that they have.

    Parameters
    ----------
    steps, in_epoch, rows : (m,) int64
        Steps of each, steps of a pass, rows.
    batch : int
        Rows of a step; the last one of a pass may have fewer.
    """
    passed, total = 0, 0
    for i in range(steps.size):
        passes, rest = steps[i] // in_epoch[i], steps[i] % in_epoch[i]
        passed += passes * rows[i] + min(rest * batch, rows[i])
        total += rows[i]
    return passed, total
