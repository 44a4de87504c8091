"""The data says whose each row is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.schema import key


@dataclass(frozen=True)
class Column:
    """Rows of equal value are one client's; clients are numbered in the order of the values."""

    column: str = key("client", "dataset that names each row's client")

    counts_clients: ClassVar[bool] = True

    def deal(
        self, label: np.ndarray, clients: int, rng: np.random.Generator, column: Callable[[str], np.ndarray]
    ) -> np.ndarray:
        """Return the client of each row, (n,) int64; see `iid`. `clients` is not used."""
        return np.unique(column(self.column), return_inverse=True)[1].astype(np.int64)
