"""pFedMe: personal models by Moreau envelopes (Dinh, Tran and Nguyen 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.federated.types import Me, Part, Run, Strategy, Vectors
from hpcfl.schema import key, positive


@dataclass(frozen=True)
class PFedMe(Strategy):
    """On each batch theta nears the least of ``f + pull / 2 |theta - local|^2``, then ``local`` follows theta.

    The paper's beta is the server's learning rate, its lambda `pull`, its eta `outer_rate`.
    """

    pull: float = key(15.0, "lambda, strength of the pull between a personal and the local model")
    inner: int = key(5, "steps on each batch")
    outer_rate: float = key(0.005, "eta, step size of the local model")

    keeps: ClassVar[Mapping[str, str]] = {"theta": "w"}
    sends: ClassVar[tuple[Part, ...]] = (Part("dw", weight="one", robust=True),)
    personal: ClassVar[str] = "theta"

    def __post_init__(self) -> None:
        for name in ("pull", "inner", "outer_rate"):
            positive(self, name)

    def client(self, bank: Vectors, me: Me) -> tuple[Run, ...]:
        """Train the personal model from the global one, the local model after it."""
        bank["local"] = np.broadcast_to(bank["w"], bank["theta"].shape)
        follow = self.outer_rate * self.pull
        return (Run(out="theta", anchor="local", mu=self.pull, inner=self.inner, follow=follow),)

    def message(self, bank: Vectors, me: Me, out: Vectors) -> None:
        """Send the way of the local model."""
        np.subtract(bank["local"], bank["w"], out=out["dw"])
