"""``[train]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hpcfl.schema import key, not_negative, positive


@dataclass(frozen=True)
class Train:
    """``[train]``: which loop, and how long."""

    mode: str = key("synchronous", "synchronous, federated, forest, or factorization")
    epochs: int = key(20, "passes over the rows (synchronous)")
    rounds: int = key(100, "rounds (federated)")
    iterations: int = key(15, "iterations (factorization)")
    batch_size: int | Literal["full"] = key(128, "rows per step over all ranks; `full` is gradient descent")
    groups: int = key(
        0, "groups of a batch's rows (reproducible, or with a compressor); 0 derives them from batch_size"
    )
    time_limit: float = key(0.0, "seconds after which the run checkpoints and stops; 0 is none")

    def __post_init__(self) -> None:
        for name in ("epochs", "rounds", "iterations", "time_limit"):
            not_negative(self, name)
        if isinstance(self.batch_size, int):
            positive(self, "batch_size")
        if self.groups & (self.groups - 1):
            raise ValueError(f"groups = {self.groups}: a power of two is needed")
