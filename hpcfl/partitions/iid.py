"""Rows are dealt like cards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.partitions._least import at_least
from hpcfl.schema import key, not_negative


@dataclass(frozen=True)
class IID:
    """Shuffled rows, dealt evenly: sizes differ by at most one."""

    min_rows: int = key(1, "rows that every client has at least")

    counts_clients: ClassVar[bool] = False

    def __post_init__(self) -> None:
        not_negative(self, "min_rows")

    def deal(
        self, label: np.ndarray, clients: int, rng: np.random.Generator, column: Callable[[str], np.ndarray]
    ) -> np.ndarray:
        """Return the client of each row, (n,) int64.

        Parameters
        ----------
        label : (n,) int64
            Class of each row (0 for regression).
        clients : int
        rng : Generator
        column : function
            Gives a dataset of the table by name for these rows: a column (n,), or the features ``x``.

        Raises
        ------
        ValueError
            A client would get less than `min_rows` rows.
        """
        out = np.empty(label.size, np.int64)
        out[rng.permutation(label.size)] = np.arange(label.size) % clients
        return at_least(out, clients, self.min_rows)
