"""A forest for other eyes: a text, and the arrays that scikit-learn's trees are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcfl.errors import UsageError
from hpcfl.forest.trees import Trees
from hpcfl.kernels.forest_category import SET


@dataclass(frozen=True)
class Export:
    """The trees of a model file and what their numbers mean.

    Attributes
    ----------
    trees : Trees
    edges, runs : (tables, d, 254) float, (tables + 1,) int
        Trees ``runs[i]`` to ``runs[i + 1] - 1`` split at the edges of table i.
    names : list of str
        Of the features.
    categorical : dict of str to list of str
        Categories of each categorical feature.
    link : str
        See models/forest.py.
    """

    trees: Trees
    edges: np.ndarray
    runs: np.ndarray
    names: list[str]
    categorical: dict[str, list[str]]
    link: str

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray], attrs: dict[str, Any]) -> Export:
        """Take apart what ``model.h5`` holds."""
        trees = Trees(*(arrays[name] for name in ("node", "gain", "value", "sets", "starts")))
        names = [str(name) for name in attrs.get("feature_names", ())]
        names = names or [f"x{f}" for f in range(int(attrs["features"]))]
        return cls(trees, arrays["edges"], arrays["runs"], names, attrs.get("categorical", {}), str(attrs["link"]))

    def text(self) -> Iterator[str]:
        """Yield the lines of a text with every tree, a split or a leaf a line."""
        for t in range(self.trees.count):
            yield f"tree {t}"
            yield from self._lines(t)

    def _lines(self, t: int) -> Iterator[str]:
        first, todo = int(self.trees.starts[t]), [(0, 1)]
        while todo:
            at, level = todo.pop()
            feature, rule, left = (int(v) for v in self.trees.node[first + at])
            if feature < 0:
                yield "  " * level + "value " + " ".join(f"{v:.6g}" for v in self.trees.value[first + at])
                continue
            yield "  " * level + (self._set(first + at) if rule >= SET else self._threshold(t, feature, rule))
            todo += [(left + 1, level + 1), (left, level + 1)]

    def _threshold(self, t: int, feature: int, rule: int) -> str:
        missing = ", missing left" if rule & 256 else ""
        return f"{self.names[feature]} <= {self.bound(t, feature, rule):.6g}{missing}"

    def _set(self, at: int) -> str:
        name, words = self.names[int(self.trees.node[at, 0])], self.trees.sets[at]
        inside = [bool(int(words[b >> 6]) >> (b & 63) & 1) for b in range(256)]
        chosen = [c for i, c in enumerate(self.categorical.get(name, ())) if inside[min(i, 254)]]
        return f"{name} in {{{', '.join(chosen)}}}" + (", missing left" if inside[255] else "")

    def bound(self, t: int, feature: int, rule: int) -> float:
        """Return the largest value that goes left in tree t (infinity: all but missing ones)."""
        code = rule & 255
        table = self.edges[int(np.searchsorted(self.runs, t, "right")) - 1]
        return float(table[feature, code]) if code < table.shape[1] else np.inf

    def arrays(self, t: int) -> dict[str, np.ndarray]:
        """Return tree t as arrays named as in scikit-learn's ``tree_``: one entry a node.

        Raises
        ------
        UsageError
            It splits by sets of categories, which scikit-learn's trees do not have.
        """
        span = slice(self.trees.starts[t], self.trees.starts[t + 1])
        node, value = self.trees.node[span], self.trees.value[span].astype(np.float64)
        if (node[:, 1] >= SET).any():
            raise UsageError(f"tree {t} splits by sets of categories, which scikit-learn's trees do not have; use .txt")
        leaf = node[:, 0] < 0
        bounds = [self.bound(t, int(f), int(r)) if f >= 0 else -2.0 for f, r, _ in node]
        return {
            "children_left": np.where(leaf, -1, node[:, 2]).astype(np.int64),
            "children_right": np.where(leaf, -1, node[:, 2] + 1).astype(np.int64),
            "feature": np.where(leaf, -2, node[:, 0]).astype(np.int64),
            "threshold": np.array(bounds),
            "missing_go_to_left": (node[:, 1] & 256 > 0).astype(np.uint8),
            "value": (np.concatenate([1 - value, value], 1) if self.link == "share" else value)[:, None],
        }
