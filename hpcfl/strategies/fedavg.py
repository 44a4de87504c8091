"""Federated averaging (McMahan et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.federated.types import Me, Part, Run, Vectors


@dataclass(frozen=True)
class FedAvg:
    """Clients train from the global model; the server moves it by the mean of their updates."""

    keeps: ClassVar[Mapping[str, str]] = {}
    told: ClassVar[tuple[str, ...]] = ()
    sends: ClassVar[tuple[Part, ...]] = (Part("dw", robust=True),)
    probe: ClassVar[bool] = False
    optimizer: ClassVar[str] = "any"
    personal: ClassVar[str] = ""

    def init(self, w: np.ndarray) -> Vectors:
        """Return no vectors beside the model."""
        return {}

    def client(self, bank: Vectors, me: Me) -> tuple[Run, ...]:
        """Train from the global model."""
        return (Run(),)

    def message(self, bank: Vectors, me: Me, out: Vectors) -> None:
        """Send the way that was gone."""
        np.subtract(bank["x"], bank["w"], out=out["dw"])

    def combine(self, server: Vectors, got: Vectors, share: float, rate: float) -> np.ndarray:
        """Go the mean way."""
        return got["dw"]
