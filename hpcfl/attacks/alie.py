"""A little is enough: updates that hide among the others (Baruch et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar

import numpy as np

from hpcfl.attacks import Seen
from hpcfl.schema import key


@dataclass(frozen=True)
class ALIE:
    """Bad clients all send their mean less `z` of their deviations, coordinate by coordinate."""

    clients: int = key(2, "bad clients, drawn by the seed; they guess the others' deviation from their own")
    z: float = key(0.0, "deviations; 0 takes the most that good clients still outdo, as the paper derives")

    poisons: ClassVar[bool] = False
    sees: ClassVar[str] = "bad"

    def __post_init__(self) -> None:
        if self.clients < 2:
            raise ValueError(f"clients = {self.clients}: 2 or more are needed, for there to be a deviation")
        if self.z < 0:
            raise ValueError(f"z = {self.z}: 0 or more is needed")

    def forge(self, v: np.ndarray, seen: Seen, keys: np.ndarray) -> np.ndarray:
        """Return what is sent instead of `v` (bad clients, P)."""
        sent = seen.mean - (self.z or derived(seen.cohort, seen.bad)) * seen.deviation
        return np.broadcast_to(sent, v.shape)


def derived(cohort: int, bad: int) -> float:
    """Return the paper's z: with so many supporters short of a majority, how far out they stand."""
    good, short = cohort - bad, cohort // 2 + 1 - bad
    share = (good - short) / max(good, 1)
    return NormalDist().inv_cdf(min(max(share, 0.5), 0.999))
