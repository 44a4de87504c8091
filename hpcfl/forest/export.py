"""A forest for other eyes: a text, and the arrays that scikit-learn's trees are made of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hpcfl.forest.trees import Trees


def text(trees: Trees, edges: np.ndarray, names: list[str]) -> Iterator[str]:
    """Yield the lines of a text with every tree, a split or a leaf a line."""
    for t in range(trees.count):
        yield f"tree {t}"
        yield from _lines(trees, int(trees.starts[t]), 0, 0, edges, names)


def _lines(trees: Trees, first: int, at: int, level: int, edges: np.ndarray, names: list[str]) -> Iterator[str]:
    todo = [(at, level)]
    while todo:
        at, level = todo.pop()
        feature, rule, left = (int(v) for v in trees.node[first + at])
        if feature < 0:
            yield "  " * (level + 1) + "value " + " ".join(f"{v:.6g}" for v in trees.value[first + at])
            continue
        missing = ", missing left" if rule >= 256 else ""
        yield "  " * (level + 1) + f"{names[feature]} <= {bound(edges, feature, rule):.6g}{missing}"
        todo += [(left + 1, level + 1), (left, level + 1)]


def bound(edges: np.ndarray, feature: int, rule: int) -> float:
    """Return the largest value that goes left (infinity: all but missing ones)."""
    code = rule & 255
    return float(edges[feature, code]) if code < edges.shape[1] else np.inf


def arrays(trees: Trees, t: int, edges: np.ndarray) -> dict[str, np.ndarray]:
    """Return tree t as arrays named as in scikit-learn's ``tree_``: one entry a node."""
    node = trees.node[trees.starts[t] : trees.starts[t + 1]]
    leaf = node[:, 0] < 0
    bounds = [bound(edges, int(f), int(r)) if f >= 0 else -2.0 for f, r, _ in node]
    return {
        "children_left": np.where(leaf, -1, node[:, 2]),
        "children_right": np.where(leaf, -1, node[:, 2] + 1),
        "feature": np.where(leaf, -2, node[:, 0]),
        "threshold": np.array(bounds),
        "missing_go_to_left": (node[:, 1] >= 256).astype(np.uint8),
        "value": trees.value[trees.starts[t] : trees.starts[t + 1]],
    }
