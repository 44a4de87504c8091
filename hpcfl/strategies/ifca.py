"""IFCA: clients of a few kinds, each trained with its like (Ghosh et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.federated.types import Me, Part, Strategy
from hpcfl.schema import key, positive


@dataclass(frozen=True)
class IFCA(Strategy):
    """Each client joins the model with the least loss on its rows; each model is averaged by itself.

    ``model.h5`` holds all of them as ``models``, and the first as ``w``.
    """

    clusters: int = key(2, "models of the server")
    spread: float = key(0.1, "standard deviation of the noise that sets the first models apart")

    sends: ClassVar[tuple[Part, ...]] = (Part("dw", weight="one"),)
    probe: ClassVar[tuple[str, ...]] = ("loss",)

    def __post_init__(self) -> None:
        for name in ("clusters", "spread"):
            positive(self, name)

    def start(self, w: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the first models, each with its own noise."""
        return (w + self.spread * rng.standard_normal((self.clusters, w.size))).astype(w.dtype)

    def choose(self, me: Me) -> np.ndarray:
        """Return the model with the least loss."""
        return np.asarray(me.loss.argmin(1))
