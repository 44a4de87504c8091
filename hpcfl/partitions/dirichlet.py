"""Each class is split over the clients in proportions drawn from a Dirichlet distribution (Hsu et al. 2019)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from hpcfl.partitions._least import at_least
from hpcfl.schema import key, not_negative, positive

TRIES = 1000


@dataclass(frozen=True)
class Dirichlet:
    """Small `alpha` gives each client few classes, a large one the mixture of all rows."""

    alpha: float = key(0.3, "concentration; the smaller, the more skewed")
    min_rows: int = key(1, "rows that every client has at least; drawn again until it holds")
    sizes: Literal["drawn", "equal"] = key("drawn", "rows of a client: what its shares come to, or equal for all")

    counts_clients: ClassVar[bool] = False

    def __post_init__(self) -> None:
        positive(self, "alpha")
        not_negative(self, "min_rows")

    def deal(
        self, label: np.ndarray, clients: int, rng: np.random.Generator, column: Callable[[str], np.ndarray]
    ) -> np.ndarray:
        """Return the client of each row, (n,) int64; see `iid`."""
        if self.sizes == "equal":
            return at_least(self._equal(label, clients, rng), clients, self.min_rows)
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

    def _equal(self, label: np.ndarray, clients: int, rng: np.random.Generator) -> np.ndarray:
        """Let each client draw its rows without replacement from a mixture of its own, ``Dirichlet(alpha x prior)``."""
        classes, code = np.unique(label, return_inverse=True)
        piles = [rng.permutation(np.flatnonzero(code == c)) for c in range(classes.size)]
        left = np.array([pile.size for pile in piles])
        prior, out = left / max(label.size, 1), np.empty(label.size, np.int64)
        for client, rows in enumerate(np.diff(np.arange(clients + 1) * label.size // clients)):
            counts = _spread(int(rows), rng.dirichlet(self.alpha * prior), left, rng)
            for c in np.flatnonzero(counts):
                out[piles[c][left[c] - counts[c] : left[c]]] = client
            left -= counts
        return out


def _spread(rows: int, mixture: np.ndarray, left: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw how many rows of each class to take, (classes,): by the mixture, as long as a class has some `left`."""
    counts = np.zeros_like(left)
    while (need := rows - counts.sum()) > 0:
        room = left - counts
        share = np.where(room > 0, mixture, 0.0)
        share = share if share.sum() > 0 else room / room.sum()
        counts += np.minimum(rng.multinomial(need, share / share.sum()), room)
    return counts
