"""FedNova: normalized averaging of unequal amounts of local work (Wang et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.federated.types import Me, Part, Run, Vectors
from hpcfl.schema import key


@dataclass(frozen=True)
class FedNova:
    """Updates are divided by their path before they are averaged, then multiplied by the mean path.

    ``path`` is the paper's ``learning rate x |a|_1``, with momentum, pull and schedule.
    """

    mu: float = key(0.0, "strength of a pull towards the global model, as in fedprox")

    keeps: ClassVar[Mapping[str, str]] = {}
    told: ClassVar[tuple[str, ...]] = ()
    sends: ClassVar[tuple[Part, ...]] = (Part("d", robust=True), Part("path", size="1", robust=True))
    probe: ClassVar[bool] = False
    optimizer: ClassVar[str] = "linear"
    personal: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if self.mu < 0:
            raise ValueError(f"mu = {self.mu}: 0 or more is needed")

    def init(self, w: np.ndarray) -> Vectors:
        """Return no vectors beside the model."""
        return {}

    def client(self, bank: Vectors, me: Me) -> tuple[Run, ...]:
        """Train from the global model."""
        return (Run(mu=self.mu),)

    def message(self, bank: Vectors, me: Me, out: Vectors) -> None:
        """Send the way per unit of path, and the path."""
        out["d"][:] = (bank["x"] - bank["w"]) / me.path
        out["path"][:] = me.path

    def combine(self, server: Vectors, got: Vectors, share: float, rate: float) -> np.ndarray:
        """Go the mean direction as far as the mean path."""
        return got["path"] * got["d"]
