"""Stochastic gradient descent, with momentum or Nesterov's (Sutskever et al. 2013, as PyTorch spells it)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcfl.kernels import updates
from hpcfl.schema import key


@dataclass(frozen=True)
class SGD:
    """``v = momentum v + g; w -= learning_rate v``, or with `nesterov` ``w -= learning_rate (g + momentum v)``."""

    learning_rate: float = key(0.1, "step size; the schedule multiplies it")
    momentum: float = key(0.0, "decay of the running sum of gradients")
    nesterov: bool = key(False, "look ahead along the momentum")
    weight_decay: float = key(0.0, "added to the gradient, times w; biases too")

    def __post_init__(self) -> None:
        for name, low, high in (
            ("learning_rate", 0.0, float("inf")),
            ("momentum", 0.0, 1.0),
            ("weight_decay", 0.0, float("inf")),
        ):
            value = getattr(self, name)
            if not low <= value < high:
                raise ValueError(f"{name} = {value}: a value in [{low}, {high}) is needed")

    @property
    def slots(self) -> int:
        """State vectors per parameter vector."""
        return 1 if self.momentum else 0

    @property
    def linear(self) -> bool:
        """Whether a step is linear in the gradients (see the ghost coordinate of FedNova)."""
        return True

    def hyper(self) -> np.ndarray:
        """Return the rule's numbers as its kernel takes them, float64."""
        return np.array([self.momentum, self.nesterov, self.weight_decay], np.float64)

    def kernel(self) -> Any:
        """Return the jitted step(w, grad, scale, state, hyper, lr, t)."""
        return updates.sgd

    def kernel_at(self) -> Any:
        """Return the jitted step of some columns; None if a step also moves what has no gradient."""
        return None if self.momentum or self.weight_decay else updates.sgd_at

    def step(self, w: np.ndarray, grad: np.ndarray, state: np.ndarray, lr: float, t: int) -> None:
        """Move `w` (P,) by the gradient; `state` (slots, P) changes too; t counts from 1."""
        self.kernel()(w, grad, 1.0, state, self.hyper(), lr, t)
