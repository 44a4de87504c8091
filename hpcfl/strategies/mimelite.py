"""MIME-lite: the server's momentum, held still during local work (Karimireddy et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.federated.types import Me, Part, Run, Strategy, Vectors
from hpcfl.schema import key


@dataclass(frozen=True)
class MimeLite(Strategy):
    """Clients step along ``gradient + momentum m``, and `m` follows their full gradients at ``w``.

    The paper's momentum SGD up to a factor: its step size is ``learning_rate / (1 - momentum)``
    here, its momentum vector ``(1 - momentum) m``.
    """

    momentum: float = key(0.9, "decay of the server's sum of gradients, along which clients step too")

    told: ClassVar[tuple[str, ...]] = ("m",)
    sends: ClassVar[tuple[Part, ...]] = (Part("dw", weight="one", robust=True), Part("g", weight="one"))
    probe: ClassVar[tuple[str, ...]] = ("gradient",)
    optimizer: ClassVar[str] = "linear"

    def __post_init__(self) -> None:
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum = {self.momentum}: a value in [0, 1) is needed")

    def init(self, w: np.ndarray) -> Vectors:
        """Return the server's momentum."""
        return {"m": np.zeros_like(w)}

    def client(self, bank: Vectors, me: Me) -> tuple[Run, ...]:
        """Train with the momentum in each step."""
        bank["drift"] = np.broadcast_to(bank["m"] * bank["m"].dtype.type(self.momentum), bank["gradient"].shape)
        return (Run(drift="drift"),)

    def message(self, bank: Vectors, me: Me, out: Vectors) -> None:
        """Send the way that was gone and the gradient where it began."""
        np.subtract(bank["x"], bank["w"], out=out["dw"])
        out["g"][:] = bank["gradient"]

    def combine(self, server: Vectors, got: Vectors, share: float, rate: float) -> np.ndarray:
        """Go the mean way; the momentum follows the mean gradient."""
        server["m"][:] = self.momentum * server["m"] + got["g"]
        return got["dw"]
