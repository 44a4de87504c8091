"""Power-of-choice: of some candidates, those with the largest losses (Cho, Wang and Joshi 2022)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpcfl.samplers.weighted import Weighted
from hpcfl.schema import key, positive


@dataclass(frozen=True)
class PowerOfChoice(Weighted):
    """Draws candidates in proportion to rows; they are told the model, and say how large its loss is for them."""

    candidates: int = key(20, "clients whose losses are compared (the paper's d)")

    def __post_init__(self) -> None:
        positive(self, "candidates")

    def draw(self, rows: np.ndarray, size: int, round_: int, rng: np.random.Generator) -> np.ndarray:
        """Return `candidates` places in `rows` (clients,), `size` at least, ascending; see `uniform`."""
        return super().draw(rows, max(size, self.candidates), round_, rng)

    def narrow(self, loss: np.ndarray, size: int) -> np.ndarray:
        """Return the `size` places of the largest of `loss` (candidates,), ascending; the first of equal ones."""
        return np.sort(np.argsort(-loss, kind="stable")[:size])
