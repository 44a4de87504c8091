"""Random forests, extremely randomized trees and gradient boosting, on histograms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal

import numpy as np

from hpcfl.kernels import forest_predict, forest_rows
from hpcfl.schema import key


@dataclass(frozen=True)
class Forest:
    """Trees over 256 bins: a forest (Breiman 2001), or boosted (Friedman 2001)."""

    trees: int = key(100, "trees; when boosting, rounds (of one tree a class if there are more than two)")
    max_depth: int = key(0, "levels of splits; 0 is no limit (boosting: 6)")
    max_features: int | float | Literal["auto", "sqrt", "all"] = key(
        "auto", "features tried at a node: a number, a fraction, `sqrt`, `all`; `auto`: sqrt for classes, else all"
    )
    min_samples_leaf: int = key(1, "rows of a leaf at least, as drawn (boosting: estimated from the hessian)")
    bootstrap: bool = key(True, "draw each tree's rows with replacement (Poisson); boosting uses all rows")
    random_thresholds: bool = key(False, "ExtraTrees: one random threshold a feature (Geurts et al. 2006)")
    class_weight: Literal["one", "balanced"] = key("one", "`balanced` weighs classes by 1 / their rows")
    distribute: Literal["auto", "rows", "trees", "federated"] = key(
        "auto", "`trees`: bins go to all ranks; `rows`: histograms are summed; `federated`: trees of each rank's rows"
    )
    ship_rows: int = key(4096, "over rows: a node with fewer rows ships them to one rank")
    oob: bool = key(False, "measure the out-of-bag accuracy or R2")
    permutations: int = key(0, "repeats of the permutation importance on the test rows; 0 is none")
    boosting: bool = key(False, "gradient boosting in place of a forest")
    learning_rate: float = key(0.1, "boosting: factor of each tree")
    l2: float = key(1.0, "boosting: penalty on the values of leaves")
    patience: int = key(0, "boosting: rounds without a lower validation loss after which to stop; 0 is never")
    validation: float = key(0.1, "boosting with patience: share of the training rows that is held out for it")

    task = ""
    probabilities = True

    def __post_init__(self) -> None:
        for name in ("trees", "min_samples_leaf", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} = {getattr(self, name)}: a value above 0 is needed")
        for name in ("max_depth", "ship_rows", "permutations", "l2", "patience"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} = {getattr(self, name)}: a value of at least 0 is needed")
        if not 0 < self.validation < 1:
            raise ValueError(f"validation = {self.validation}: a share between 0 and 1 is needed")
        value = self.max_features
        if not isinstance(value, str) and (value <= 0 or (isinstance(value, float) and value > 1)):
            raise ValueError(f"max_features = {value}: a number above 0 or a fraction up to 1 is needed")
        if self.boosting and self.distribute in ("trees", "federated"):
            raise ValueError(f"distribute = '{self.distribute}': boosting sums histograms, use 'rows'")

    def features(self, d: int, classes: int) -> int:
        """Return how many of d features are tried at a node."""
        value = self.max_features
        if value == "auto":
            value = "sqrt" if classes and not self.boosting else "all"
        if isinstance(value, str):
            return max(int(sqrt(d)), 1) if value == "sqrt" else d
        return min(max(int(value * d) if isinstance(value, float) else value, 1), d)

    def predictor(self, arrays: dict[str, np.ndarray], attrs: dict[str, Any]) -> Callable[[Any], np.ndarray]:
        """Return a function from dense rows (n, d) to probabilities (n, classes) or values (n, 1)."""
        packed = np.empty(len(arrays["node"]), np.uint64)
        forest_predict.pack(arrays["node"], arrays["starts"], packed)
        base, factor = arrays["base"], float(arrays["factor"][0])

        def predict(x: np.ndarray) -> np.ndarray:
            codes = [encode(x, table) for table in arrays["edges"]]
            sums = np.zeros((len(x), base.size))
            add(arrays, packed, arrays["runs"], codes, sums)
            return finish(base + factor * sums, str(attrs["link"]))

        return predict


def add(
    arrays: Mapping[str, np.ndarray], packed: np.ndarray, runs: np.ndarray, codes: list[np.ndarray], out: np.ndarray
) -> None:
    """Add the trees' values to `out` (n, k).

    Parameters
    ----------
    arrays, packed : dict, (nodes,) uint64
        The trees (see forest/trees.py), and their packed nodes.
    runs : (tables + 1,) int
        Trees ``runs[i]`` to ``runs[i + 1] - 1`` split at the edges of table i.
    codes : list of (n, d) uint8
        The rows' bins by each table.
    """
    for table, a, b in zip(codes, runs[:-1], runs[1:], strict=True):
        forest_predict.predict(packed, arrays["sets"], arrays["starts"][a : b + 1], arrays["value"], table, out)


def encode(x: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the bins of dense rows, (n, d) uint8."""
    codes = np.empty(x.shape, np.uint8)
    x = np.ascontiguousarray(x, edges.dtype)
    forest_rows.encode(x, edges, np.isfinite(edges).sum(1), codes)
    return codes


def finish(score: np.ndarray, link: str) -> np.ndarray:
    """Return outputs from raw scores: `identity`, `share` of the second class, `logistic`, `softmax`."""
    if link == "identity":
        return score
    if link == "softmax":
        score = np.exp(score - score.max(1, keepdims=True))
        return np.asarray(score / score.sum(1, keepdims=True))
    second = score if link == "share" else 1 / (1 + np.exp(-score))
    return np.concatenate([1 - second, second], 1)
