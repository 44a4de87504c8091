"""FedRep: a shared body under heads that never leave their clients (Collins et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hpcfl.federated.types import Me, Part, Run, Strategy, Vectors
from hpcfl.schema import key, not_negative


@dataclass(frozen=True)
class FedRep(Strategy):
    """A client first fits its own head to the shared body, then the body to its head."""

    head: tuple[str, ...] = key((), "names in the model's layout that stay local; empty is its last layer")
    head_steps: int = key(0, "steps on the head; 0 is as many as on the body")

    keeps: ClassVar[Mapping[str, str]] = {"v": "w"}
    sends: ClassVar[tuple[Part, ...]] = (Part("dw", weight="one", robust=True),)
    personal: ClassVar[str] = "begin"

    def __post_init__(self) -> None:
        not_negative(self, "head_steps")

    def local(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the head."""
        return self.head or names[-2:]

    def client(self, bank: Any, me: Me) -> tuple[Run, ...]:
        """Put the own head on the shared body; train the one, then the other."""
        bank["begin"] = np.where(bank.stays, bank["v"], bank["w"])
        return (Run(start="begin", part=bank.own_names, steps=self.head_steps), Run(start="x", part=bank.shared_names))

    def message(self, bank: Any, me: Me, out: Vectors) -> None:
        """Send the way of the body; the head is kept."""
        out["dw"][:] = np.where(bank.stays, 0, bank["x"] - bank["w"])
        bank["v"] = bank["x"]

    def tune(self, bank: Any, rate: float) -> tuple[Run, float]:
        """Fit the head."""
        return Run(start=self.personal, out="tuned", part=bank.own_names), rate
