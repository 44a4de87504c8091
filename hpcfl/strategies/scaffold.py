"""SCAFFOLD: control variates against the clients' drift (Karimireddy et al. 2020, option II)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hpcfl.federated.types import Me, Part, Run, Strategy, Vectors
from hpcfl.kernels.control import control


@dataclass(frozen=True)
class Scaffold(Strategy):
    """Each client corrects its gradients by the difference of the server's and its own direction.

    ``path`` stands for the paper's ``K x learning rate``, so that momentum is accounted for.
    """

    keeps: ClassVar[Mapping[str, str]] = {"ck": "zeros"}
    told: ClassVar[tuple[str, ...]] = ("c",)
    sends: ClassVar[tuple[Part, ...]] = (Part("dw", weight="one", robust=True), Part("dc", weight="one"))
    optimizer: ClassVar[str] = "linear"

    def init(self, w: np.ndarray) -> Vectors:
        """Return the server's control variate."""
        return {"c": np.zeros_like(w)}

    def client(self, bank: Any, me: Me) -> tuple[Run, ...]:
        """Train with corrected gradients."""
        np.subtract(bank["c"], bank["ck"], out=bank.make("drift"))
        return (Run(drift="drift"),)

    def message(self, bank: Any, me: Me, out: Vectors) -> None:
        """Send the way that was gone and the change of the control variate."""
        control(bank["x"], bank["w"], bank["c"], me.path.ravel(), bank["ck"], out["dw"], out["dc"])

    def warm(self, w: np.ndarray) -> None:
        """Compile the kernel of `message`."""
        none = np.empty((0, w.size), w.dtype)
        control(none, w, w, np.empty(0), none, none, none)

    def combine(self, server: Vectors, got: Vectors, share: float, rate: float) -> np.ndarray:
        """Go the mean way; the control variate moves by the share of clients that took part."""
        server["c"] += np.multiply(got["dc"], share, out=got["dc"])
        return got["dw"]
