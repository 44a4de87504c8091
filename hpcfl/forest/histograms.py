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
    """Finds best splits; remembers the histograms of the level before (k, own features, 256 * width), or none."""

    wave: Wave
    target: Target
    plan: Plan
    comm: Comm
    parents: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

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
            slots = np.arange(self.plan.features)
            cuts = self.cuts(part.size)
            place = np.stack([slots, np.full(slots.size, slots.size)])
            hist = self._sum(front.bounds[part], features, place, cuts * slots.size)
            own = np.arange(cuts[self.comm.rank], cuts[self.comm.rank + 1])
            units = np.stack([np.repeat(own, slots.size), features[own].reshape(-1)], 1)
            self._choose(hist, units, front.key[part], known[part], part, out)

    def _all(self, front: Frontier, known: np.ndarray, wanted: np.ndarray, out: Level) -> None:
        """Count nodes that try all features, siblings by subtraction; a rank looks through a run of features."""
        d = self.plan.kinds.size
        cuts = self.cuts(d)
        own = np.arange(cuts[self.comm.rank], cuts[self.comm.rank + 1])
        most = int(np.diff(cuts).max()) * self.wide * 8
        pairs = len(self.parents) > 0
        group = 2 if pairs else 1
        todo = np.flatnonzero(wanted.reshape(-1, group).any(1))
        keep = wanted.sum() * most <= KEPT
        kept = np.empty((front.at.size if keep else 0, own.size, self.wide), np.int64)
        step = max(MESSAGE // (d * self.wide * 8), 1)
        for a in range(0, todo.size, step):
            part = todo[a : a + step]
            nodes = part[:, None] * group + np.arange(group)
            less = known[nodes, 0].argmin(1) if pairs else np.zeros(part.size, np.int64)
            small = nodes[np.arange(part.size), less]
            first, width = np.repeat(cuts[:-1], np.diff(cuts)), np.repeat(np.diff(cuts), np.diff(cuts))
            place = np.stack([part.size * first + np.arange(d) - first, width])
            features = np.tile(np.arange(d), (part.size, 1))
            counted = self._sum(front.bounds[small], features, place, cuts * part.size)
            hist = np.empty((part.size, group, own.size, self.wide), np.int64)
            hist[np.arange(part.size), less] = counted.reshape(part.size, own.size, self.wide)
            if pairs:
                hist[np.arange(part.size), 1 - less] = self.parents[part] - hist[np.arange(part.size), less]
            nodes = nodes.reshape(-1)
            if keep:
                kept[nodes] = hist.reshape(-1, own.size, self.wide)
            units = np.stack([np.repeat(np.arange(nodes.size), own.size), np.tile(own, nodes.size)], 1)
            units[~np.repeat(wanted[nodes], own.size), 1] = -1
            self._choose(hist.reshape(-1, self.wide), units, front.key[nodes], known[nodes], nodes, out)
        self.parents = kept

    def keep(self, split: np.ndarray) -> None:
        """Keep the histograms of the nodes that were split (k,), for their children."""
        self.parents = self.parents[split] if len(self.parents) else self.parents

    def _sum(self, bounds: np.ndarray, features: np.ndarray, place: np.ndarray, cuts: np.ndarray) -> np.ndarray:
        """Return this rank's part, [cuts[rank], cuts[rank + 1]), of the nodes' histograms (collective)."""
        wave = self.wave
        hist = np.zeros((features.size, self.wide), np.int64)
        forest_level.histograms(wave.codes, wave.order, wave.stats, bounds, features, place, self.target.width, hist)
        return self.comm.sum_scatter(hist, np.diff(cuts) * self.wide, "histograms").reshape(-1, self.wide)

    def _choose(
        self, hist: np.ndarray, units: np.ndarray, keys: np.ndarray, known: np.ndarray, nodes: np.ndarray, out: Level
    ) -> None:
        """Put the best splits of `nodes` that any rank finds into `out` (collective)."""
        target, plan, k = self.target, self.plan, nodes.size
        best, chosen = np.empty((k, 5)), np.zeros((k, 4), np.uint64)
        forest_level.choose(hist, units, keys, plan.kinds, known, plan.spec(target), plan.limits(target), best, chosen)
        every = self.comm.allgather(best, "splits").reshape(-1, k, 5)
        # The highest score, of equal ones that of the lowest feature.
        lead = np.lexsort((every[:, :, 1], -every[:, :, 0]), axis=0)[0]
        out.best[nodes] = every[lead, np.arange(k)]
        if plan.words:
            sets = self.comm.allgather(chosen, "splits").reshape(-1, k, 4)
            out.chosen[nodes] = sets[lead, np.arange(k)]
