"""Each class is split over the clients in proportions drawn from a Dirichlet distribution (Hsu et al. 2019)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.schema import key

TRIES = 1000


@dataclass(frozen=True)
class Dirichlet:
    """Small `alpha` gives each client few classes, a large one the mixture of all rows."""

    alpha: float = key(0.3, "concentration; the smaller, the more skewed")
    min_rows: int = key(1, "rows that every client has at least; drawn again until it holds")

    counts_clients: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not self.alpha > 0:
            raise ValueError(f"alpha = {self.alpha}: a value above 0 is needed")
        if self.min_rows < 0:
            raise ValueError(f"min_rows = {self.min_rows}: 0 or more is needed")

    def deal(
        self, label: np.ndarray, clients: int, rng: np.random.Generator, column: Callable[[str], np.ndarray]
    ) -> np.ndarray:
        """Return the client of each row, (n,) int64; see `iid`."""
        best = 0
        if clients * self.min_rows <= label.size:
            for _ in range(TRIES):
                out = self._once(label, clients, rng)
                fewest = int(np.bincount(out, minlength=clients).min())
                if fewest >= self.min_rows:
                    return out
                best = max(best, fewest)
        raise ValueError(
            f"min_rows = {self.min_rows}: {label.size} rows over {clients} clients at alpha = {self.alpha} gave the "
            f"smallest client {best} at best in {TRIES} draws; lower min_rows or clients, or raise alpha"
        )

    def _once(self, label: np.ndarray, clients: int, rng: np.random.Generator) -> np.ndarray:
        out = np.empty(label.size, np.int64)
        for c in np.unique(label):
            rows = rng.permutation(np.flatnonzero(label == c))
            ends = np.cumsum(rng.dirichlet(np.full(clients, self.alpha))) * rows.size
            out[rows] = np.minimum(np.searchsorted(ends, np.arange(rows.size), "right"), clients - 1)
        return out
