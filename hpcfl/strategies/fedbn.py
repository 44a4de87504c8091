"""FedBN's rule: federated averaging of all but some named parts, which stay local (Li et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hpcfl.federated.types import Me, Part, Run, Strategy, Vectors
from hpcfl.schema import key


@dataclass(frozen=True)
class FedBN(Strategy):
    """Clients train everything together and send all but their own parts.

    FedBN keeps what normalizes the layers, FedPer (Arivazhagan et al. 2019) the last layers.
    """

    own: tuple[str, ...] = key((), "names in the model's layout that stay local; empty is all biases")

    keeps: ClassVar[Mapping[str, str]] = {"v": "w"}
    sends: ClassVar[tuple[Part, ...]] = (Part("dw", robust=True),)
    personal: ClassVar[str] = "begin"

    def local(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the parts that stay local."""
        return self.own or tuple(name for name in names if name.startswith("b"))

    def client(self, bank: Any, me: Me) -> tuple[Run, ...]:
        """Train from the global model with the own parts in it."""
        bank["begin"] = np.where(bank.stays, bank["v"], bank["w"])
        return (Run(start="begin"),)

    def message(self, bank: Any, me: Me, out: Vectors) -> None:
        """Send the way of what is shared; the own parts are kept."""
        out["dw"][:] = np.where(bank.stays, 0, bank["x"] - bank["w"])
        bank["v"] = bank["x"]
