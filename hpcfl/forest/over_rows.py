"""Distributed over rows: histograms are summed over ranks, level by level, for many trees at once.

Nodes that have become small ship their rows to one rank, which grows what is left of the tree
there. Sums are of whole numbers, and every draw follows from the path to a node, so the trees are
those of `over_trees`, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpcfl.comm.communicator import Comm, alone
from hpcfl.forest import shipping
from hpcfl.forest.histograms import Histograms
from hpcfl.forest.over_trees import bag
from hpcfl.forest.plan import Plan
from hpcfl.forest.target import Target
from hpcfl.forest.trees import Trees, empty, join
from hpcfl.kernels import forest_level
from hpcfl.kernels.forest_category import SET

SHIP = 4096  # rows below which a node ships them to one rank
WAVE = 1 << 17  # rows of all trees that a rank grows at the same time


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
    sets: np.ndarray


def grow(
    codes: np.ndarray, first: int, target: Target, plan: Plan, numbers: range, comm: Comm, ship: int = SHIP
) -> Trees:
    """Return the trees numbered `numbers`, on every rank (collective).

    Parameters
    ----------
    codes : (n, d) uint8
        Bins of this rank's rows, each row contiguous; the first is number `first` of all training rows.
    ship : int
        Rows of a node below which they go to one rank; 0 never.
    """
    most = max(int(comm.max(float(len(codes)), "rows")), 1)
    step = max(WAVE // most, 1)
    waves = [numbers[a : a + step] for a in range(0, len(numbers), step)]
    parts = [_wave(codes, first, target, plan, wave, comm, ship) for wave in waves]
    return join(parts) if parts else empty(target.width, plan.words)


def _wave(codes: np.ndarray, first: int, target: Target, plan: Plan, numbers: range, comm: Comm, ship: int) -> Trees:
    bags = [bag(target, plan, t, first) for t in numbers]
    cuts, roots = np.cumsum([0] + [order.size for order, _ in bags]), np.arange(len(bags))
    order, stats = np.concatenate([b[0] for b in bags]), np.concatenate([b[1] for b in bags])
    del bags
    wave = Wave(
        codes, order, stats, (np.empty_like(order), np.empty_like(stats)),
        _leaves(roots.size), np.zeros(roots.size, np.float32), np.zeros((roots.size, target.width), np.float32),
        np.zeros((roots.size, plan.words), np.uint64),
    )  # fmt: skip
    keys = np.array([plan.key(t) for t in numbers], np.uint64)
    zero = np.zeros(roots.size, np.int64)
    front = Frontier(roots, np.stack([cuts[:-1], cuts[1:]], 1), keys, zero, zero)
    small = front.pick(roots[:0])
    rows = np.empty(0, np.int64)
    histograms = Histograms(wave, target, plan, comm)
    while front.at.size:
        known = np.empty((front.at.size, target.width + 2), np.int64)
        forest_level.totals(wave.stats, front.bounds, target.classes, target.shift, known)
        comm.sum(known, "node totals")
        wave.value[front.at] = target.real(_values(known, plan.rule(target).limits[0]))
        tiny = known[:, 0] < ship
        small, rows = small.plus(front.pick(tiny)), np.concatenate([rows, known[tiny, 0]])
        front = _split(wave, front, known, ~tiny & _worth(known, front, target, plan), histograms)
    node, gain, value, sets = shipping.finish(wave, small, rows, target, plan, comm)
    starts, source = np.empty(roots.size + 1, np.int64), np.empty(len(node), np.int64)
    left = np.empty(len(node), np.int32)
    forest_level.renumber(roots, node, starts, source, left)
    source, left = source[: starts[-1]], left[: starts[-1]]
    node = np.concatenate([node[source, :2], left[:, None]], 1)
    return Trees(node, gain[source], value[source], sets[source], starts)


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


def _split(wave: Wave, front: Frontier, known: np.ndarray, wanted: np.ndarray, histograms: Histograms) -> Frontier:
    """Split what can be split and return the children, and the nodes whose features were in vain (collective)."""
    plan = histograms.plan
    level = histograms.level(front, known, wanted)
    best, limits = level.best, plan.rule(histograms.target).limits
    found, gain = best[:, 1] >= 0, best[:, 0] - best[:, 4]
    good = found & (best[:, 0] >= best[:, 4] + limits[1] * np.abs(best[:, 4])) & (gain >= limits[2])
    splits = np.where(good[:, None], best[:, 1:3], -1).astype(np.int64)
    bounds = np.concatenate([front.bounds, front.bounds[:, :1]], 1)
    forest_level.split(wave.codes, bounds, splits, level.chosen, wave.order, wave.stats, *wave.spare)
    histograms.next(good)
    children = _children(wave, front.pick(good), splits[good], gain[good], bounds[good])
    if plan.words:
        wave.sets[front.at[good]] = np.where(splits[good, 1:] >= SET, level.chosen[good], 0)
    again = front.pick(wanted & ~found & (front.tried + plan.features < plan.kinds.size))
    again.tried = again.tried + plan.features
    return children.plus(again)


def _children(wave: Wave, front: Frontier, splits: np.ndarray, gain: np.ndarray, bounds: np.ndarray) -> Frontier:
    """Write splits into the table of nodes and return the new nodes, left and right in turn."""
    k, size = front.at.size, len(wave.node)
    left = size + 2 * np.arange(k)
    wave.node[front.at] = np.concatenate([splits, left[:, None]], 1).astype(np.int32)
    wave.gain[front.at] = gain
    wave.node = np.concatenate([wave.node, _leaves(2 * k)])
    wave.gain = np.concatenate([wave.gain, np.zeros(2 * k, np.float32)])
    wave.value = np.concatenate([wave.value, np.zeros((2 * k, wave.value.shape[1]), np.float32)])
    wave.sets = np.concatenate([wave.sets, np.zeros((2 * k, wave.sets.shape[1]), np.uint64)])
    keys = np.empty(2 * k, np.uint64)
    forest_level.child_keys(front.key, keys)
    spans = np.stack([bounds[:, 0], bounds[:, 2], bounds[:, 2], bounds[:, 1]], 1).reshape(-1, 2)
    return Frontier(size + np.arange(2 * k), spans, keys, np.repeat(front.level + 1, 2), np.zeros(2 * k, np.int64))


def warm(codes: np.ndarray, target: Target, plan: Plan) -> None:
    """Compile the kernels, on the few rows given (local)."""
    grow(codes, 0, target, plan, range(1), alone(), 0)
    grow(codes, 0, target, plan, range(1), alone(), len(codes) + 1)
