"""MIME: the server's momentum and variance-reduced local steps (Karimireddy et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.federated.types import Me, Part, Run, Strategy, Vectors
from hpcfl.schema import key


@dataclass(frozen=True)
class Mime(Strategy):
    """`mimelite` whose gradients are corrected by ``c - (the same batch's gradient at w)``.

    `c` is the mean of the cohort's full gradients at ``w``, for which the clients answer once
    before they train: a round has two exchanges.
    """

    momentum: float = key(0.9, "decay of the server's sum of gradients, along which clients step too")

    told: ClassVar[tuple[str, ...]] = ("m", "c")
    asks: ClassVar[tuple[Part, ...]] = (Part("c", weight="one"),)
    sends: ClassVar[tuple[Part, ...]] = (Part("dw", weight="one", robust=True),)
    probe: ClassVar[tuple[str, ...]] = ("gradient",)
    optimizer: ClassVar[str] = "linear"

    def __post_init__(self) -> None:
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum = {self.momentum}: a value in [0, 1) is needed")

    def init(self, w: np.ndarray) -> Vectors:
        """Return the server's momentum and the mean gradient at ``w``."""
        return {"m": np.zeros_like(w), "c": np.zeros_like(w)}

    def answer(self, bank: Vectors, me: Me, out: Vectors) -> None:
        """Send the gradient at ``w``."""
        out["c"][:] = bank["gradient"]

    def hear(self, server: Vectors, got: Vectors) -> None:
        """Tell the mean gradient."""
        server["c"][:] = got["c"]

    def client(self, bank: Vectors, me: Me) -> tuple[Run, ...]:
        """Train with corrected gradients and the momentum in each step."""
        drift = bank["c"] + bank["m"].dtype.type(self.momentum) * bank["m"]
        bank["drift"] = np.broadcast_to(drift, (len(me.id), drift.size))
        return (Run(drift="drift", ref="w"),)

    def combine(self, server: Vectors, got: Vectors, share: float, rate: float) -> np.ndarray:
        """Go the mean way; the momentum follows the mean gradient."""
        server["m"][:] = self.momentum * server["m"] + server["c"]
        return got["dw"]
