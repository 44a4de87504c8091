"""Per-FedAvg, first order: a model that one step makes a client's own (Fallah et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from hpcfl.federated.types import Me, Part, Run, Strategy, Vectors
from hpcfl.schema import key, positive


@dataclass(frozen=True)
class PerFedAvg(Strategy):
    """Clients step along the gradient at ``x - alpha gradient(x)``, the two from two batches.

    The paper's beta is the local learning rate. `evaluate.finetune_steps` measures the adapted models.
    """

    alpha: float = key(0.01, "step size of the adaptation")

    sends: ClassVar[tuple[Part, ...]] = (Part("dw", weight="one", robust=True),)

    def __post_init__(self) -> None:
        positive(self, "alpha")

    def client(self, bank: Vectors, me: Me) -> tuple[Run, ...]:
        """Train from the global model, looking one step ahead."""
        return (Run(look=self.alpha),)

    def tune(self, bank: Any, rate: float) -> tuple[Run, float]:
        """Adapt with the step size that was trained for."""
        return Run(out="tuned"), self.alpha
