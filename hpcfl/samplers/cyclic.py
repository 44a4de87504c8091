"""Clients are there in turns, as time zones are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpcfl.schema import key, positive


@dataclass(frozen=True)
class Cyclic:
    """Of `groups` groups of neighbours, one is there for `every` rounds; it is sampled uniformly."""

    groups: int = key(4, "groups that take turns")
    every: int = key(1, "rounds that a group is there")

    def __post_init__(self) -> None:
        positive(self, "groups")
        positive(self, "every")

    def draw(self, rows: np.ndarray, size: int, round_: int, rng: np.random.Generator) -> np.ndarray:
        """Return up to `size` places in `rows` (clients,), ascending; see `uniform`."""
        turn = round_ // self.every % self.groups
        there = np.flatnonzero(np.arange(rows.size) * self.groups // rows.size == turn)
        return np.sort(rng.choice(there, min(size, there.size), replace=False))
