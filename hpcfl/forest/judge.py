"""How good the trees so far are on the test rows: each tree is asked once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hpcfl import metrics
from hpcfl.comm.communicator import Comm
from hpcfl.forest.trees import Grove
from hpcfl.models.forest import add, finish


@dataclass
class Judge:
    """Keeps the sums of the trees' values for the test rows.

    Attributes
    ----------
    codes : list of (n, d) uint8
        The test rows' bins, by each table of edges.
    y : (n, 2) float
        Target and weight.
    outputs : int
        Raw scores of a row.
    task, link : str
    ranked : bool
        Whether metrics that rank rows of all ranks (the AUC) may be computed: their scores leave the rank.
    """

    codes: list[np.ndarray]
    y: np.ndarray
    outputs: int
    task: str
    link: str
    ranked: bool = True
    seen: int = 0
    sums: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))

    def test(self, trees: Grove, runs: np.ndarray, base: np.ndarray, factor: float, comm: Comm) -> dict[str, Any]:
        """Return the metrics of all `trees` over the test rows of all ranks (collective).

        Trees ``runs[i]`` to ``runs[i + 1] - 1`` split at the edges of table i.
        """
        with comm.together("evaluating"):
            if self.seen == 0 or trees.count < self.seen:
                self.seen, self.sums = 0, np.zeros((len(self.y), self.outputs))
            new, runs = trees.since(self.seen), np.maximum(runs - self.seen, 0)
            add(vars(new), new.packed(), runs, self.codes, self.sums)
            self.seen = trees.count
            outputs = finish(base + factor * self.sums, self.link)
        return metrics.evaluate(outputs, self.y[:, 0], self.y[:, 1], self.task, comm, ranked=self.ranked)
