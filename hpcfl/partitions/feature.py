"""Clients see different ranges of the features, whatever the labels are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.partitions._least import at_least
from hpcfl.partitions._runs import dealt
from hpcfl.schema import key, not_negative, positive

BLOCK, SWEEPS = 4096, 10


@dataclass(frozen=True)
class Feature:
    """Rows ranked by one feature, or along their main direction, are cut at quantiles: a run or several a client."""

    feature: int = key(-1, "number of the feature that ranks the rows; -1 is their first principal component")
    per_client: int = key(1, "runs of ranked rows of a client; more make clients more alike")
    min_rows: int = key(1, "rows that every client has at least")

    counts_clients: ClassVar[bool] = False

    def __post_init__(self) -> None:
        positive(self, "per_client")
        not_negative(self, "min_rows")

    def deal(
        self, label: np.ndarray, clients: int, rng: np.random.Generator, column: Callable[[str], np.ndarray]
    ) -> np.ndarray:
        """Return the client of each row, (n,) int64; see `iid`. Equal values are cut in the order of the rows."""
        x = column("x")
        if not -1 <= self.feature < x.shape[1]:
            raise ValueError(f"feature = {self.feature}: the rows have features 0 to {x.shape[1] - 1}")
        value = x[:, self.feature] if self.feature >= 0 else main_direction(x)
        runs = clients * self.per_client
        holder = rng.permutation(runs) // self.per_client if self.per_client > 1 else np.arange(runs)
        return at_least(dealt(np.argsort(value, kind="stable"), holder), clients, self.min_rows)


def main_direction(x: np.ndarray) -> np.ndarray:
    """Return the place of each row of `x` (n, d) along the first principal component (power iteration), (n,)."""
    blocks = [x[a : a + BLOCK] for a in range(0, len(x), BLOCK)]
    mean = np.sum([b.sum(0, dtype=np.float64) for b in blocks], axis=0) / max(len(x), 1)
    v = np.sqrt(np.sum([np.square(b - mean).sum(0) for b in blocks], axis=0))
    for _ in range(SWEEPS):
        v = np.sum([(b - mean).T @ ((b - mean) @ v) for b in blocks], axis=0)
        v /= max(np.linalg.norm(v), 1e-300)
    return np.concatenate([(b - mean) @ v for b in blocks])
