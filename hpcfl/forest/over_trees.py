"""Distributed over trees: every rank holds the bins of all rows and grows whole trees alone."""

from __future__ import annotations

import numpy as np

from hpcfl.forest.plan import Plan
from hpcfl.forest.target import Target
from hpcfl.forest.trees import Trees, empty, join
from hpcfl.kernels import forest_grow, forest_rows
from hpcfl.kernels import order as orders
from hpcfl.kernels.forest_rule import Nodes


def grow(codes: np.ndarray, target: Target, plan: Plan, numbers: np.ndarray) -> Trees:
    """Return the trees numbered `numbers`, grown on the rows given (local).

    Parameters
    ----------
    codes : (n, d) uint8
        Bins of the rows 0..n-1, each feature contiguous.
    target : Target
        Of the same rows.
    """
    grown = []
    for tree in numbers:
        order, stats = bag(target, plan, int(tree), 0)
        grown.append(subtree(codes, order, stats, plan.key(int(tree)), plan, target, 0))
    return join(grown) if grown else empty(target.width, plan.words)


def bag(target: Target, plan: Plan, tree: int, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of a tree's bootstrap and what each adds, int32 and int64.

    `first` is the number, among all training rows, of the first row of `target`.
    """
    unit = target.of(tree)
    n = unit.size
    if not plan.bootstrap:
        return np.arange(n, dtype=np.int32), unit.copy()
    order, stats, hashes = np.empty(n, np.int32), np.empty(n, np.int64), np.empty(n, np.uint64)
    orders.hashes(plan.bag(tree), first, hashes)
    rows = forest_rows.bag(hashes, unit, target.classes, order, stats)
    return order[:rows], stats[:rows]


def subtree(
    codes: np.ndarray, order: np.ndarray, stats: np.ndarray, key: np.uint64, plan: Plan, target: Target, level: int
) -> Trees:
    """Return the tree below a node at `level` that has the rows `order` (local)."""
    room = max(2 * order.size - 1, 1)
    out = Nodes(
        np.empty((room, 3), np.int32), np.empty(room, np.float32), np.empty((room, target.width)),
        np.empty((room, plan.words), np.uint64),
    )  # fmt: skip
    size = forest_grow.grow(codes, order, stats, key, plan.rule(target, level), out)
    node, gain, value, sets = (field[:size].copy() for field in out)
    return Trees(node, gain, target.real(value), sets, np.array([0, size]))
