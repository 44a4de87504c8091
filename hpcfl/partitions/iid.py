"""Rows are dealt like cards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class IID:
    """Shuffled rows, dealt evenly: sizes differ by at most one."""

    counts_clients: ClassVar[bool] = False

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
            Gives another column of the table by name, (n,).
        """
        if clients > label.size:
            raise ValueError(f"name = 'iid': {label.size} rows cannot give {clients} clients a row each; lower clients")
        out = np.empty(label.size, np.int64)
        out[rng.permutation(label.size)] = np.arange(label.size) % clients
        return out
