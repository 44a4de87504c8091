"""Ditto: a personal model beside the global one, pulled towards it (Li et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from hpcfl.federated.types import Me, Part, Run, Strategy, Vectors
from hpcfl.schema import key, not_negative


@dataclass(frozen=True)
class Ditto(Strategy):
    """Clients do federated averaging, and train their own ``v`` on its loss plus ``lambda / 2 |v - w|^2``."""

    pull: float = key(0.1, "lambda, strength of the pull of personal models towards the global one")

    keeps: ClassVar[Mapping[str, str]] = {"v": "w"}
    sends: ClassVar[tuple[Part, ...]] = (Part("dw", weight="one", robust=True),)
    personal: ClassVar[str] = "v"

    def __post_init__(self) -> None:
        not_negative(self, "pull")

    def client(self, bank: Vectors, me: Me) -> tuple[Run, ...]:
        """Train the global model, then the client's own."""
        return (Run(), Run(start="v", out="v", anchor="w", mu=self.pull))
