"""Growing one tree (or the rest of one) from binned rows, depth first."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.copies import copy
from hpcfl.kernels.flags import exact, exact_part
from hpcfl.kernels.forest_category import SET, better_set
from hpcfl.kernels.forest_count import clear, count
from hpcfl.kernels.forest_draw import child, draw, undraw
from hpcfl.kernels.forest_rule import BINS, MISSING, NEAR, room
from hpcfl.kernels.forest_split import accept, better, score_of, total
from hpcfl.kernels.lent import lent


@exact_part
def sides(rule, chosen, goes):
    """Put into `goes` (256,) uint8 which bins go left under `rule`, or which are in the set `chosen` (4,)."""
    if rule >= SET:
        for b in range(BINS):
            goes[b] = (chosen[b >> 6] >> np.uint64(b & 63)) & np.uint64(1)
    else:
        goes[: (rule & 255) + 1] = 1
        goes[(rule & 255) + 1 :] = 0
        goes[MISSING] = rule >= BINS


@exact_part
def partition(codes, feature, goes, order, stats, spare_order, spare_stats):
    """Bring the rows whose bin `goes` left to the front, all in their old order; return how many they are."""
    left, right = np.uint64(0), np.uint64(0)
    for i in range(order.size):
        row, stat = order[i], stats[i]
        go = np.uint64(goes[codes[np.uint32(row), feature]])
        spare_order[right], spare_stats[right] = row, stat
        order[left], stats[left] = row, stat
        left += go
        right += np.uint64(1) - go
    first, rest = np.int64(left), np.int64(right)
    copy(spare_order[:rest], order[first:])
    copy(spare_stats[:rest], stats[first:])
    return first


@exact_part
def search(codes, order, stats, key, rule, work, perm):
    """Find the node's best split among features drawn until one of a block of ``rule.spec[3]`` can split."""
    d, tried, classes = perm.size, 0, work.sums.shape[1] - 1
    work.best[0], work.best[1] = -np.inf, -1
    while tried < d and work.best[1] < 0:
        stop = min(tried + rule.spec[3], d)
        draw(key, tried, stop, perm)
        for i in range(tried, stop):
            m = count(codes, perm[i], order, stats, classes, work)
            if rule.kinds[perm[i]]:
                better_set(perm[i], key, order.size, m, rule, work)
            else:
                better(perm[i], key, order.size, m, rule, work)
            clear(m, classes, work)
        tried = stop
    undraw(key, tried, perm)


@exact_part
def fetch(codes, order, near):
    """Copy the bins of the rows `order` to the front of `near`, and number the rows anew from 0."""
    for f in range(codes.shape[1]):
        for i in range(order.size):
            near[i, f] = codes[np.uint32(order[i]), f]
    for i in range(order.size):
        order[i] = i


@exact_part
def leaf(at, rule, work, out):
    """Write the node number `at` as a leaf of the sums in ``work.sums``."""
    width = work.sums.shape[1] - 1
    for c in range(width):
        out.value[at, c] = work.sums[1, c] / (work.sums[1, width] + rule.limits[0])
    out.node[at, 0], out.node[at, 1], out.node[at, 2], out.gain[at] = -1, 0, 0, 0.0
    out.sets[at] = 0


@exact
def grow(codes, order, stats, key, rule, out):
    """Grow a tree, depth first, left child first, and return its number of nodes.

    Parameters
    ----------
    codes : (n, d) uint8
        Binned rows, each feature contiguous.
    order, stats : (m,) int32, int64
        The node's rows and what each adds; both are reordered.
    key : uint64
        Key of the node it starts from.
    rule : Rule
    out : Nodes
        Out, of at least 2 m - 1 nodes.
    """
    return descend(codes, order, stats, key, rule, out, room(order.size, codes.shape[1], rule.spec[0]))


@exact
def descend(codes, order, stats, key, rule, out, place):
    """Grow a tree as `grow` does, in the `place` (Room) given."""
    codes, order, stats, rule = lent(codes), lent(order), lent(stats), lent(rule)
    out, place = lent(out), lent(place)
    classes, work, todo, keys = rule.spec[0], place.work, place.todo, place.keys
    todo[0, 0], todo[0, 1], todo[0, 2], todo[0, 3], keys[0] = 0, order.size, 0, 0, key
    waiting, made, base = 1, 1, -1  # from `base` on, what waits are nodes whose rows are near
    while waiting > 0:
        waiting -= 1
        a, b, at, level, path = todo[waiting, 0], todo[waiting, 1], todo[waiting, 2], todo[waiting, 3], keys[waiting]
        total(stats[a:b], classes, rule.spec[1], work.sums)
        parent, pure = score_of(classes, rule.limits[0], work.sums)
        leaf(at, rule, work, out)
        if pure or b - a < 2 or level == rule.spec[2]:
            continue
        if waiting < base or base < 0:
            base = waiting if b - a <= NEAR else -1
            if base >= 0:
                fetch(codes, order[a:b], place.near)
        here = place.near if base >= 0 else codes
        search(here, order[a:b], stats[a:b], path, rule, work, place.perm)
        if not accept(work.best, parent, rule.limits):
            continue
        feature, cut = np.int64(work.best[1]), np.int64(work.best[2])
        sides(cut, work.chosen, place.goes)
        middle = a + partition(here, feature, place.goes, order[a:b], stats[a:b], place.order, place.stats)
        out.node[at, 0], out.node[at, 1], out.node[at, 2] = feature, cut, made
        out.gain[at] = work.best[0] - parent
        if cut >= SET:
            copy(work.chosen, out.sets[at])
        for side in range(1, -1, -1):
            todo[waiting, 0] = middle if side else a
            todo[waiting, 1] = b if side else middle
            todo[waiting, 2], todo[waiting, 3], keys[waiting] = made + side, level + 1, child(path, side)
            waiting += 1
        made += 2
    return made
