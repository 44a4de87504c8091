"""Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcfl.kernels import updates
from hpcfl.schema import key


@dataclass(frozen=True)
class AdamW:
    """As Adam; the decay shrinks w and does not pass through the means."""

    learning_rate: float = key(0.001, "step size; the schedule multiplies it")
    beta1: float = key(0.9, "decay of the mean of gradients")
    beta2: float = key(0.999, "decay of the mean of squared gradients")
    epsilon: float = key(1e-08, "added to the root")
    weight_decay: float = key(0.0, "w shrinks by learning_rate times this")

    def __post_init__(self) -> None:
        for name, low, high in (
            ("learning_rate", 0.0, float("inf")),
            ("beta1", 0.0, 1.0),
            ("beta2", 0.0, 1.0),
            ("epsilon", 0.0, float("inf")),
            ("weight_decay", 0.0, float("inf")),
        ):
            value = getattr(self, name)
            if not low <= value < high:
                raise ValueError(f"{name} = {value}: a value in [{low}, {high}) is needed")

    @property
    def slots(self) -> int:
        """State vectors per parameter vector."""
        return 2

    @property
    def linear(self) -> bool:
        """Whether a step is linear in the gradients (see the ghost coordinate of FedNova)."""
        return False

    def hyper(self) -> np.ndarray:
        """Return the rule's numbers as its kernel takes them, float64."""
        return np.array([self.beta1, self.beta2, self.epsilon, 0.0, self.weight_decay, 1.0], np.float64)

    def kernel(self) -> Any:
        """Return the jitted step(w, grad, scale, state, hyper, lr, t)."""
        return updates.adam

    def step(self, w: np.ndarray, grad: np.ndarray, state: np.ndarray, lr: float, t: int) -> None:
        """Move `w` (P,) by the gradient; `state` (slots, P) changes too; t counts from 1."""
        self.kernel()(w, grad, 1.0, state, self.hyper(), lr, t)
