"""FedProx: a pull towards the global model (Li et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.federated.types import Me, Part, Run, Vectors
from hpcfl.schema import key


@dataclass(frozen=True)
class FedProx:
    """FedAvg whose clients minimise their loss plus ``mu / 2 |x - w|^2``."""

    mu: float = key(0.1, "strength of the pull; 0 is fedavg")

    keeps: ClassVar[Mapping[str, str]] = {}
    told: ClassVar[tuple[str, ...]] = ()
    sends: ClassVar[tuple[Part, ...]] = (Part("dw", robust=True),)
    probe: ClassVar[bool] = False
    optimizer: ClassVar[str] = "any"
    personal: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if self.mu < 0:
            raise ValueError(f"mu = {self.mu}: 0 or more is needed")

    def init(self, w: np.ndarray) -> Vectors:
        """Return no vectors beside the model."""
        return {}

    def client(self, bank: Vectors, me: Me) -> tuple[Run, ...]:
        """Train from the global model, held to it."""
        return (Run(mu=self.mu),)

    def message(self, bank: Vectors, me: Me, out: Vectors) -> None:
        """Send the way that was gone."""
        np.subtract(bank["x"], bank["w"], out=out["dw"])

    def combine(self, server: Vectors, got: Vectors, share: float, rate: float) -> np.ndarray:
        """Go the mean way."""
        return got["dw"]
