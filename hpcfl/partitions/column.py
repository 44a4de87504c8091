"""The data says whose each row is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.partitions._least import at_least
from hpcfl.schema import key, not_negative


@dataclass(frozen=True)
class Column:
    """Rows of equal value are one client's; clients are numbered in the order of the values."""

    column: str = key("client", "dataset that names each row's client")
    min_rows: int = key(1, "rows that every client has at least")

    counts_clients: ClassVar[bool] = True

    def __post_init__(self) -> None:
        not_negative(self, "min_rows")

    def deal(
        self, label: np.ndarray, clients: int, rng: np.random.Generator, column: Callable[[str], np.ndarray]
    ) -> np.ndarray:
        """Return the client of each row, (n,) int64; see `iid`. `clients` is not used."""
        names, owner = np.unique(column(self.column), return_inverse=True)
        return at_least(owner.astype(np.int64), names.size, self.min_rows, "lower it, or take that client's rows out")
