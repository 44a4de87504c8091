"""Distributed over rows: histograms are summed over ranks, level by level, for many trees at once.

Nodes that have become small ship their rows to one rank, which grows what is left of the tree
there. Sums are of whole numbers, and every draw follows from the path to a node, so the trees are
those of `over_trees`, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.forest import shipping
from hpcfl.forest.over_trees import bag
from hpcfl.forest.plan import Plan
from hpcfl.forest.target import Target
from hpcfl.forest.trees import Trees, empty, join
from hpcfl.kernels import forest_level

SHIP = 4096  # rows below which a node ships them to one rank
MESSAGE = 1 << 24  # bytes of histograms in one sum
WAVE = 1 << 23  # rows of all trees that a rank grows at the same time


@dataclass
class Frontier:
    """Nodes that wait for a split, as parallel arrays (k, ...).

    Attributes
    ----------
    at : int64
        The node in the table of nodes.
    bounds : (k, 2) int64
        Where this rank's rows of the node lie.
    key : uint64
    level, tried : int64
        Splits above it; features that were tried in vain.
    """

    at: np.ndarray
    bounds: np.ndarray
    key: np.ndarray
    level: np.ndarray
    tried: np.ndarray

    def pick(self, which: np.ndarray) -> Frontier:
        """Return the nodes that `which` (indices or booleans) names."""
        return Frontier(self.at[which], self.bounds[which], self.key[which], self.level[which], self.tried[which])

    def plus(self, other: Frontier) -> Frontier:
        """Return the nodes of both."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Frontier(*(np.concatenate(pair) for pair in pairs))


@dataclass
class Wave:
    """Some trees being grown: rows of the bags of all, and the nodes so far (lists of blocks)."""

    codes: np.ndarray
    order: np.ndarray
    stats: np.ndarray
    spare: tuple[np.ndarray, np.ndarray]
    node: np.ndarray
    gain: np.ndarray
    value: np.ndarray


def grow(
    codes: np.ndarray, first: int, target: Target, plan: Plan, numbers: range, comm: Comm, ship: int = SHIP
) -> Trees:
    """Return the trees numbered `numbers`, on every rank (collective).

    Parameters
    ----------
    codes : (n, d) uint8
        Bins of this rank's rows, of which the first is number `first` of all training rows.
    ship : int
        Rows of a node below which they go to one rank; 0 never.
    """
    most = max(int(comm.max(float(len(codes)), "rows")), 1)
    step = max(WAVE // most, 1)
    waves = [numbers[a : a + step] for a in range(0, len(numbers), step)]
    return join([_wave(codes, first, target, plan, w, comm, ship) for w in waves]) if waves else empty(target.width)


def _wave(codes: np.ndarray, first: int, target: Target, plan: Plan, numbers: range, comm: Comm, ship: int) -> Trees:
    bags = [bag(target, plan, t, first) for t in numbers]
    cuts = np.cumsum([0] + [order.size for order, _ in bags])
    roots = np.arange(len(bags))
    order, stats = np.concatenate([b[0] for b in bags]), np.concatenate([b[1] for b in bags])
    wave = Wave(
        codes, order, stats, (np.empty_like(order), np.empty_like(stats)),
        _leaves(roots.size), np.zeros(roots.size), np.zeros((roots.size, target.width)),
    )  # fmt: skip
    keys = np.array([plan.key(t) for t in numbers], np.uint64)
    zero = np.zeros(roots.size, np.int64)
    front = Frontier(roots, np.stack([cuts[:-1], cuts[1:]], 1), keys, zero, zero)
    small = front.pick(roots[:0])
    rows = np.empty(0, np.int64)
    while front.at.size:
        known = np.empty((front.at.size, target.width + 2), np.int64)
        forest_level.totals(wave.stats, front.bounds, target.classes, target.shift, known)
        comm.sum(known, "node totals")
        wave.value[front.at] = _values(known, plan.limits(target)[0])
        tiny = known[:, 0] < ship
        small, rows = small.plus(front.pick(tiny)), np.concatenate([rows, known[tiny, 0]])
        open_ = ~tiny & _worth(known, front, target, plan)
        front = _split(wave, front.pick(open_), known[open_], target, plan, comm)
    node, gain, value = shipping.finish(wave, small, rows, target, plan, comm)
    out = (np.empty_like(node), np.empty_like(gain), np.empty_like(value))
    starts = np.empty(roots.size + 1, np.int64)
    forest_level.renumber(roots, node, gain, value, starts, *out)
    size = int(starts[-1])
    return Trees(out[0][:size], out[1][:size], target.real(out[2][:size]), starts)


def _leaves(count: int) -> np.ndarray:
    node = np.zeros((count, 3), np.int32)
    node[:, 0] = -1
    return node


def _values(known: np.ndarray, penalty: float) -> np.ndarray:
    return np.asarray(known[:, 1:-1] / np.maximum(known[:, -1:] + penalty, 1e-300))


def _worth(known: np.ndarray, front: Frontier, target: Target, plan: Plan) -> np.ndarray:
    """Return which nodes may be split: more than one row, a level left, not pure."""
    pure = np.zeros(len(known), bool)
    if target.classes == 2:
        pure = (known[:, 1] == 0) | (known[:, 1] == known[:, 2])
    elif target.classes > 2:
        pure = known[:, 1:-1].max(1) == known[:, -1]
    deep = (front.level >= plan.depth) if plan.depth else np.zeros(len(known), bool)
    return np.asarray((known[:, 0] > 1) & ~pure & ~deep)


def _split(wave: Wave, front: Frontier, known: np.ndarray, target: Target, plan: Plan, comm: Comm) -> Frontier:
    """Split what can be split and return the children, and the nodes whose features were in vain (collective)."""
    d = wave.codes.shape[1]
    best = _best(wave, front, known, target, plan, comm)
    limits = plan.limits(target)
    found, gain = best[:, 1] >= 0, best[:, 0] - best[:, 4]
    good = found & (best[:, 0] >= best[:, 4] + limits[1] * np.abs(best[:, 4])) & (gain >= limits[2])
    feature = np.where(good, best[:, 1], -1).astype(np.int64)
    bounds = np.concatenate([front.bounds, front.bounds[:, :1]], 1)
    forest_level.split(wave.codes, bounds, feature, best[:, 2].astype(np.int64), wave.order, wave.stats, *wave.spare)
    children = _children(wave, front.pick(good), best[good], gain[good], bounds[good])
    again = front.pick(~found & (front.tried + plan.features < d))
    again.tried = again.tried + plan.features
    return children.plus(again)


def _best(wave: Wave, front: Frontier, known: np.ndarray, target: Target, plan: Plan, comm: Comm) -> np.ndarray:
    """Return each node's best split (see `forest_level.choose`), from histograms of all ranks (collective)."""
    best = np.empty((front.at.size, 5))
    wide = 256 * target.width
    step = max(MESSAGE // (8 * wide * plan.features), 1)
    for a in range(0, front.at.size, step):
        part = front.pick(np.arange(a, min(a + step, front.at.size)))
        features = np.empty((part.at.size, plan.features), np.int64)
        forest_level.drawn(part.key, part.tried, wave.codes.shape[1], features)
        hist = np.zeros((*features.shape, wide), np.int64)
        forest_level.histograms(wave.codes, wave.order, wave.stats, part.bounds, features, target.width, hist)
        comm.sum(hist, "histograms")
        some = slice(a, a + part.at.size)
        forest_level.choose(hist, features, part.key, known[some], plan.spec(target), plan.limits(target), best[some])
    return best


def _children(wave: Wave, front: Frontier, best: np.ndarray, gain: np.ndarray, bounds: np.ndarray) -> Frontier:
    """Write splits into the table of nodes and return the new nodes, left and right in turn."""
    k, size = front.at.size, len(wave.node)
    left = size + 2 * np.arange(k)
    wave.node[front.at] = np.stack([best[:, 1], best[:, 2], left], 1).astype(np.int32)
    wave.gain[front.at] = gain
    wave.node = np.concatenate([wave.node, _leaves(2 * k)])
    wave.gain = np.concatenate([wave.gain, np.zeros(2 * k)])
    wave.value = np.concatenate([wave.value, np.zeros((2 * k, wave.value.shape[1]))])
    keys = np.empty(2 * k, np.uint64)
    forest_level.child_keys(front.key, keys)
    spans = np.stack([bounds[:, 0], bounds[:, 2], bounds[:, 2], bounds[:, 1]], 1).reshape(-1, 2)
    return Frontier(size + np.arange(2 * k), spans, keys, np.repeat(front.level + 1, 2), np.zeros(2 * k, np.int64))


def warm(codes: np.ndarray, target: Target, plan: Plan) -> None:
    """Compile the kernels, on a node of the few rows given (local)."""
    n, d, wide = len(codes), codes.shape[1], 256 * target.width
    order, stats, key = np.arange(n, dtype=np.int32), target.unit.copy(), np.zeros(1, np.uint64)
    known, zero, best = np.zeros((1, target.width + 2), np.int64), np.zeros(1, np.int64), np.zeros((1, 5))
    features, hist = np.zeros((1, 1), np.int64), np.zeros((1, 1, wide), np.int64)
    bounds = np.array([[0, n, 0]])
    forest_level.totals(stats, bounds[:, :2].copy(), target.classes, target.shift, known)
    forest_level.drawn(key, zero, d, features)
    forest_level.histograms(codes, order, stats, bounds[:, :2].copy(), features, target.width, hist)
    forest_level.choose(hist, features, key, known, plan.spec(target), plan.limits(target), best)
    forest_level.split(codes, bounds, zero, zero, order, stats, order.copy(), stats.copy())
    forest_level.child_keys(key, np.empty(2, np.uint64))
    forest_level.take(codes, order, np.empty((n, d), np.uint8))
    node, value, starts = _leaves(1), np.zeros((1, target.width)), np.zeros(2, np.int64)
    forest_level.renumber(zero, node, best[0, :1], value, starts, node.copy(), best[0, :1].copy(), value.copy())
