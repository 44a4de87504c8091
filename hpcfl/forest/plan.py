"""What every way of growing needs to know of the forest: keys of the trees, kernel arguments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpcfl import seeding
from hpcfl.forest.target import Target
from hpcfl.kernels.forest_rule import Rule

ANY = -1.0  # any split of an impure node is good enough
SOME = 1e-10  # least relative gain: above rounding, so that constant targets are not split


@dataclass(frozen=True)
class Plan:
    """How trees are grown.

    Attributes
    ----------
    seed : int
    depth : int
        Levels of splits; 0 is no limit.
    features : int
        Features tried at a node.
    leaf : int
        Rows of a leaf at least.
    bootstrap, random_cuts : bool
        Whether rows are drawn with replacement; whether thresholds are drawn (ExtraTrees).
    kinds : (d,) uint8
        1 for categorical features.
    l2 : float
        Penalty on the values of leaves, when boosting.
    """

    seed: int
    depth: int
    features: int
    leaf: int
    bootstrap: bool
    random_cuts: bool
    kinds: np.ndarray
    l2: float = 0.0

    @property
    def words(self) -> int:
        """Words of a node's set: none without categorical features."""
        return 4 if self.kinds.any() else 0

    def key(self, tree: int) -> np.uint64:
        """Return the key of a tree's root, from which all its draws follow."""
        return seeding.key(self.seed, "tree", tree)

    def bag(self, tree: int) -> np.uint64:
        """Return the key of a tree's bootstrap."""
        return seeding.key(self.seed, "bag", tree)

    def rule(self, target: Target, level: int = 0) -> Rule:
        """Return how the kernels split a node at `level` and below it."""
        left = self.depth - level if self.depth else -1
        spec = np.array([target.classes, target.shift, left, self.features, self.random_cuts], np.int64)
        if target.boosted:
            limits = [self.l2 * target.weight, SOME, 0.0, 1.0, float(self.leaf)]
        else:
            need = self.leaf * target.weight if self.leaf > 1 else 1
            limits = [0.0, ANY if target.classes > 1 else SOME, -np.inf, need, 0.0]
        return Rule(self.kinds, spec, np.array(limits, np.float64))
