"""Clients are alike in what they hold, not in how much of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.schema import key


@dataclass(frozen=True)
class Quantity:
    """Sizes in proportion to lognormal draws, as in the q-FFL and FedProx papers."""

    sigma: float = key(1.0, "standard deviation of the log of a client's size")
    min_rows: int = key(1, "rows that every client has at least")

    counts_clients: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.sigma < 0 or self.min_rows < 0:
            raise ValueError(f"sigma = {self.sigma}, min_rows = {self.min_rows}: 0 or more is needed")

    def deal(
        self, label: np.ndarray, clients: int, rng: np.random.Generator, column: Callable[[str], np.ndarray]
    ) -> np.ndarray:
        """Return the client of each row, (n,) int64; see `iid`."""
        spare = label.size - clients * self.min_rows
        if spare < 0:
            raise ValueError(
                f"min_rows = {self.min_rows}: {label.size} rows are too few for {clients} clients; lower it"
            )
        share = rng.lognormal(0.0, self.sigma, clients)
        ends = np.rint(np.cumsum(share) / share.sum() * spare).astype(np.int64)
        sizes = np.diff(ends, prepend=0) + self.min_rows
        out = np.empty(label.size, np.int64)
        out[rng.permutation(label.size)] = np.repeat(np.arange(clients), sizes)
        return out
