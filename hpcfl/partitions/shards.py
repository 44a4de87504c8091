"""Rows sorted by label are cut into shards, and each client gets a few (McMahan et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.partitions._least import at_least
from hpcfl.partitions._runs import dealt
from hpcfl.schema import key, not_negative, positive


@dataclass(frozen=True)
class Shards:
    """With 2 shards a client sees about 2 classes."""

    per_client: int = key(2, "shards of a client")
    min_rows: int = key(1, "rows that every client has at least")

    counts_clients: ClassVar[bool] = False

    def __post_init__(self) -> None:
        positive(self, "per_client")
        not_negative(self, "min_rows")

    def deal(
        self, label: np.ndarray, clients: int, rng: np.random.Generator, column: Callable[[str], np.ndarray]
    ) -> np.ndarray:
        """Return the client of each row, (n,) int64; see `iid`."""
        shards = clients * self.per_client
        if shards > label.size:
            raise ValueError(
                f"per_client = {self.per_client}: {shards} shards of {label.size} rows; lower it or clients"
            )
        order = rng.permutation(label.size)
        order = order[np.argsort(label[order], kind="stable")]
        holder = rng.permutation(shards) // self.per_client
        return at_least(dealt(order, holder), clients, self.min_rows)
