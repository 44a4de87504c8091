"""FedProx: a pull towards the global model (Li et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass

from hpcfl.federated.types import Me, Run, Strategy, Vectors
from hpcfl.schema import key, not_negative


@dataclass(frozen=True)
class FedProx(Strategy):
    """FedAvg whose clients minimise their loss plus ``mu / 2 |x - w|^2``."""

    mu: float = key(0.1, "strength of the pull; 0 is fedavg")

    def __post_init__(self) -> None:
        not_negative(self, "mu")

    def client(self, bank: Vectors, me: Me) -> tuple[Run, ...]:
        """Train from the global model, held to it."""
        return (Run(mu=self.mu),)
