"""Distributed over trees: every rank holds the bins of all rows and grows whole trees alone."""

from __future__ import annotations

import numpy as np

from hpcfl.forest.plan import Plan
from hpcfl.forest.target import Target
from hpcfl.forest.trees import Trees, empty, join
from hpcfl.kernels import forest_grow


def grow(codes: np.ndarray, target: Target, plan: Plan, numbers: np.ndarray) -> Trees:
    """Return the trees numbered `numbers`, grown on the rows given (local).

    Parameters
    ----------
    codes : (n, d) uint8
        Bins of the rows 0..n-1, each feature contiguous.
    target : Target
        Of the same rows.
    """
    width = target.classes if target.classes > 2 else 1
    order, stats = np.empty(len(codes), np.int32), np.empty(len(codes), np.int64)
    grown = []
    for tree in numbers:
        rows = forest_grow.bag(plan.bag(int(tree)), 0, target.unit, target.classes, plan.bootstrap, order, stats)
        grown.append(subtree(codes, order[:rows], stats[:rows], plan.key(int(tree)), plan, target, 0))
    return join(grown) if grown else empty(width)


def subtree(
    codes: np.ndarray, order: np.ndarray, stats: np.ndarray, key: np.uint64, plan: Plan, target: Target, level: int
) -> Trees:
    """Return the tree below a node that has the rows `order` (local)."""
    width = target.classes if target.classes > 2 else 1
    room = max(2 * order.size - 1, 1)
    node, gain, value = np.empty((room, 3), np.int32), np.empty(room), np.empty((room, width))
    size = forest_grow.grow(codes, order, stats, key, plan.spec(target, level), plan.limits(target), node, gain, value)
    real = (target.center + target.scale * value[:size]).astype(np.float32)
    return Trees(node[:size].copy(), gain[:size].copy(), real, np.array([0, size]))
