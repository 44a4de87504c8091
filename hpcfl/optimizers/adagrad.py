"""Adagrad (Duchi, Hazan and Singer 2011), the server's optimizer of FedAdagrad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcfl.kernels import updates
from hpcfl.schema import key


@dataclass(frozen=True)
class Adagrad:
    """Each coordinate's step shrinks with the root of its summed squared gradients."""

    learning_rate: float = key(0.01, "step size; the schedule multiplies it")
    epsilon: float = key(1e-10, "added to the root")

    def __post_init__(self) -> None:
        for name, low, high in (("learning_rate", 0.0, float("inf")), ("epsilon", 0.0, float("inf"))):
            value = getattr(self, name)
            if not low <= value < high:
                raise ValueError(f"{name} = {value}: a value in [{low}, {high}) is needed")

    @property
    def slots(self) -> int:
        """State vectors per parameter vector."""
        return 1

    @property
    def linear(self) -> bool:
        """Whether a step is linear in the gradients (see the ghost coordinate of FedNova)."""
        return False

    def hyper(self) -> np.ndarray:
        """Return the rule's numbers as its kernel takes them, float64."""
        return np.array([self.epsilon], np.float64)

    def kernel(self) -> Any:
        """Return the jitted step(w, grad, scale, state, hyper, lr, t)."""
        return updates.adagrad

    def kernel_at(self) -> Any:
        """Return the jitted step of some columns; None if a step also moves what has no gradient."""
        return updates.adagrad_at

    def step(self, w: np.ndarray, grad: np.ndarray, state: np.ndarray, lr: float, t: int) -> None:
        """Move `w` (P,) by the gradient; `state` (slots, P) changes too; t counts from 1."""
        self.kernel()(w, grad, 1.0, state, self.hyper(), lr, t)
