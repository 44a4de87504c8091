"""q-FedAvg: fairness by weighing clients with larger losses more (Li et al. 2020, q-FFL)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.federated.types import Me, Part, Strategy, Vectors
from hpcfl.schema import key, not_negative


@dataclass(frozen=True)
class QFedAvg(Strategy):
    """Minimises the sum of the clients' losses to the power ``q + 1``; ``q = 0`` is fedavg."""

    q: float = key(1.0, "fairness; 0 is fedavg with equal weights")

    sends: ClassVar[tuple[Part, ...]] = (Part("delta", weight="one"), Part("h", size="1", weight="one"))
    probe: ClassVar[tuple[str, ...]] = ("loss",)

    def __post_init__(self) -> None:
        not_negative(self, "q")

    def message(self, bank: Vectors, me: Me, out: Vectors) -> None:
        """Send ``F^q`` times the way that was gone, and the step size's estimate, both times the rate."""
        way = bank["x"] - bank["w"]
        loss = np.maximum(me.loss, 1e-10)
        power = loss**self.q
        out["delta"][:] = power * way
        square = np.square(way, dtype=np.float64).sum(1, keepdims=True)
        out["h"][:] = self.q * power / loss * square / me.rate + power

    def combine(self, server: Vectors, got: Vectors, share: float, rate: float) -> np.ndarray:
        """Divide the mean way by the mean estimate of the curvature."""
        return got["delta"] / got["h"]
