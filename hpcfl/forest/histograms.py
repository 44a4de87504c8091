"""The best splits of a level's nodes, from histograms of which each rank makes a part whole.

Each rank counts its own rows. What is summed over the ranks is scattered: a rank gets, and looks
through, a part of the histograms, and only the best splits go round. Where all features are tried
(boosting, mostly) that part is a run of features: then the histograms of a split node are kept,
only its smaller child is counted, and the other one is the difference. Otherwise the nodes draw
features of their own, and the part is a run of nodes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.comm.scatter import sum_scatter
from hpcfl.forest.plan import Plan
from hpcfl.forest.target import Target
from hpcfl.kernels import forest_level

if TYPE_CHECKING:
    from hpcfl.forest.over_rows import Frontier, Wave

MESSAGE = 1 << 23  # bytes of histograms in one sum
KEPT = 1 << 26  # bytes of histograms of a level that are kept for the next one


@dataclass
class Level:
    """Splits of a level's nodes.

    Attributes
    ----------
    best : (k, 5) float64
        See `forest_level.choose`.
    chosen : (k, 4) uint64
        Sets of bins that go left.
    """

    best: np.ndarray
    chosen: np.ndarray


@dataclass
class Histograms:
    """Finds best splits, level after level.

    Attributes
    ----------
    parents : (k, own features, 256 * width) int64
        Histograms of the nodes of the level before, if they were few enough to keep.
    siblings : bool
        Whether they were, so that children come in pairs of which one is counted.
    split : (s,) int64
        Which of them were split.
    """

    wave: Wave
    target: Target
    plan: Plan
    comm: Comm
    parents: np.ndarray = field(default_factory=lambda: np.empty((0, 0, 0), np.int64))
    siblings: bool = False
    split: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def whole(self) -> bool:
        """Whether every node tries all features."""
        return self.plan.features == self.plan.kinds.size

    @property
    def wide(self) -> int:
        """Numbers of a histogram."""
        return 256 * self.target.width

    def cuts(self, count: int) -> np.ndarray:
        """Return where each rank's run of `count` things starts, and `count` last."""
        return np.arange(self.comm.size + 1) * count // self.comm.size

    def level(self, front: Frontier, known: np.ndarray, wanted: np.ndarray) -> Level:
        """Return the best splits of the nodes that are `wanted` (k,), the others have none (collective).

        `known` (k, width + 2) are the totals of all nodes of `front`.
        """
        out = Level(np.zeros((front.at.size, 5)), np.zeros((front.at.size, 4), np.uint64))
        out.best[:, :2] = -np.inf, -1
        if not self.whole:
            self._each(front, known, np.flatnonzero(wanted), out)
        else:
            self._all(front, known, wanted, out)
        return out

    def _each(self, front: Frontier, known: np.ndarray, nodes: np.ndarray, out: Level) -> None:
        """Count nodes that draw their own features; a rank looks through a run of nodes."""
        step = max(MESSAGE // (8 * self.wide * self.plan.features), 1)
        for a in range(0, nodes.size, step):
            part = nodes[a : a + step]
            features = np.empty((part.size, self.plan.features), np.int64)
            forest_level.drawn(front.key[part], front.tried[part], self.plan.kinds.size, features)
            hist, rows = np.zeros((features.size, self.wide), np.int64), front.bounds[part]
            forest_level.histograms(*self.rows, rows, features, self.target.width, hist)
            cuts = self.cuts(part.size)
            own = np.arange(cuts[self.comm.rank], cuts[self.comm.rank + 1])
            hist = self._scatter(hist, cuts * self.plan.features)
            nodes_of = np.repeat(own, self.plan.features)
            units = np.stack([np.arange(nodes_of.size), nodes_of, features[own].reshape(-1)], 1)
            self._choose(hist, units, front.key[part], known[part], part, out)

    def _all(self, front: Frontier, known: np.ndarray, wanted: np.ndarray, out: Level) -> None:
        """Count nodes that try all features, siblings by subtraction; a rank looks through a run of features."""
        d = self.plan.kinds.size
        cuts = self.cuts(d)
        own = np.arange(cuts[self.comm.rank], cuts[self.comm.rank + 1])
        share = int(np.diff(cuts).max()) * self.wide * 8
        group = 2 if self.siblings else 1
        todo = np.flatnonzero(wanted.reshape(-1, group).any(1))
        keep = front.at.size * share <= KEPT
        kept = np.empty((front.at.size if keep else 0, own.size, self.wide), np.int64)
        step = max(MESSAGE // (d * self.wide * 8), 1)
        for a in range(0, todo.size, step):
            part = todo[a : a + step]
            nodes = part[:, None] * group + np.arange(group)
            # The child with fewer rows comes first: it is counted, the other one is what is left.
            nodes = np.take_along_axis(nodes, known[nodes, 0].argsort(1, kind="stable"), 1)
            whole = np.zeros((d * part.size, self.wide), np.int64)
            forest_level.all_histograms(*self.rows, front.bounds[nodes[:, 0]], cuts, self.target.width, whole)
            counted = self._scatter(whole, cuts * part.size).reshape(part.size, own.size, self.wide)
            table = kept if keep else np.empty((nodes.size, own.size, self.wide), np.int64)
            places = nodes if keep else np.arange(nodes.size).reshape(nodes.shape)
            forest_level.siblings(counted, self.parents, self.split[part] if self.siblings else part, places, table)
            flat = nodes.reshape(-1)
            at = (places.reshape(-1, 1) * own.size + np.arange(own.size)).reshape(-1)
            units = np.stack([at, np.repeat(np.arange(flat.size), own.size), np.tile(own, flat.size)], 1)
            units[~np.repeat(wanted[flat], own.size), 2] = -1
            self._choose(table.reshape(-1, self.wide), units, front.key[flat], known[flat], flat, out)
        self.parents, self.siblings = kept, keep

    def next(self, split: np.ndarray) -> None:
        """Say which nodes of the level were split (k,): their children, two and two, are the next level."""
        self.split = np.flatnonzero(split)

    @property
    def rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Bins, order and stats of the rows."""
        return self.wave.codes, self.wave.order, self.wave.stats

    def _scatter(self, hist: np.ndarray, cuts: np.ndarray) -> np.ndarray:
        """Return histograms [cuts[rank], cuts[rank + 1]), summed over the ranks (collective)."""
        return sum_scatter(self.comm, hist, np.diff(cuts) * self.wide, "histograms").reshape(-1, self.wide)

    def _choose(
        self,
        hist: np.ndarray,
        units: np.ndarray,
        keys: np.ndarray,
        known: np.ndarray,
        nodes: np.ndarray,
        out: Level,
    ) -> None:
        """Put the best splits of `nodes` that any rank finds into `out`; arguments as the kernel's (collective)."""
        plan, k = self.plan, nodes.size
        best, chosen = np.empty((k, 5)), np.zeros((k, 4), np.uint64)
        forest_level.choose(hist, units, keys, known, plan.rule(self.target), best, chosen)
        every = self.comm.allgather(best, "splits").reshape(-1, k, 5)
        # The highest score, of equal ones that of the lowest feature.
        lead = np.lexsort((every[:, :, 1], -every[:, :, 0]), axis=0)[0]
        out.best[nodes] = every[lead, np.arange(k)]
        if plan.words:
            sets = self.comm.allgather(chosen, "splits").reshape(-1, k, 4)
            out.chosen[nodes] = sets[lead, np.arange(k)]
