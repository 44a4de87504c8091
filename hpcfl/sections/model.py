"""``[model]`` and ``[optimizer]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from hpcfl.schema import key, not_negative, part


@dataclass(frozen=True)
class Model:
    """``[model]``: what is trained."""

    rule: Any = part("models", "softmax", "which model; its own keys stand beside it", inline=True)
    dtype: Literal["float32", "float64"] = key("float32", "dtype of parameters and arithmetic")


@dataclass(frozen=True)
class Optimizer:
    """``[optimizer]``: how a gradient becomes a step."""

    rule: Any = part("optimizers", "sgd", "which optimizer; its own keys stand beside it", inline=True)
    schedule: Any = part("schedules", "constant", "how the learning rate changes")
    warmup_steps: int = key(0, "steps over which the learning rate rises linearly from 0")
    clip_norm: float = key(0.0, "largest L2 norm of a gradient; 0 is no clipping")

    def __post_init__(self) -> None:
        for name in ("warmup_steps", "clip_norm"):
            not_negative(self, name)
