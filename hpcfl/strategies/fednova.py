"""FedNova: normalized averaging of unequal amounts of local work (Wang et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.federated.types import Me, Part, Run, Strategy, Vectors
from hpcfl.schema import key, not_negative


@dataclass(frozen=True)
class FedNova(Strategy):
    """Updates are divided by their path before they are averaged, then multiplied by the mean path.

    ``path`` is the paper's ``learning rate x |a|_1``, with momentum, pull and schedule.
    """

    mu: float = key(0.0, "strength of a pull towards the global model, as in fedprox")

    sends: ClassVar[tuple[Part, ...]] = (Part("d", robust=True), Part("path", size="1", robust=True))
    optimizer: ClassVar[str] = "linear"

    def __post_init__(self) -> None:
        not_negative(self, "mu")

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
