"""FedDyn: dynamic regularization (Acar et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcfl.federated.types import Me, Part, Run, Strategy, Vectors
from hpcfl.schema import key, positive


@dataclass(frozen=True)
class FedDyn(Strategy):
    """Each client's loss is tilted so that all of them share the global optimum."""

    alpha: float = key(0.01, "strength of the regularization")

    keeps: ClassVar[Mapping[str, str]] = {"g": "zeros"}
    sends: ClassVar[tuple[Part, ...]] = (Part("dw", weight="one", robust=True),)

    def __post_init__(self) -> None:
        positive(self, "alpha")

    def init(self, w: np.ndarray) -> Vectors:
        """Return the server's sum of the clients' drifts."""
        return {"h": np.zeros_like(w)}

    def client(self, bank: Vectors, me: Me) -> tuple[Run, ...]:
        """Minimise ``f(x) - <g, x> + alpha / 2 |x - w|^2``."""
        bank["drift"] = -bank["g"]
        return (Run(drift="drift", mu=self.alpha),)

    def message(self, bank: Vectors, me: Me, out: Vectors) -> None:
        """Send the way that was gone; the client's gradient memory follows it."""
        np.subtract(bank["x"], bank["w"], out=out["dw"])
        bank["g"] -= bank["x"].dtype.type(self.alpha) * out["dw"]

    def combine(self, server: Vectors, got: Vectors, share: float, rate: float) -> np.ndarray:
        """Go the mean way, less the drift of all clients."""
        server["h"] -= self.alpha * share * got["dw"]
        return np.asarray(got["dw"] - server["h"] / self.alpha)
