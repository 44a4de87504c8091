"""``[checkpoint]``, ``[evaluate]`` and ``[comm]``: how a job runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from hpcfl.schema import key, not_negative, part, positive
from hpcfl.sections.fits import code


@dataclass(frozen=True)
class Checkpoint:
    """``[checkpoint]``: when the state is written, and how much is kept."""

    every_seconds: float = key(600.0, "seconds between checkpoints; 0 is never")
    every_steps: int = key(0, "steps between checkpoints; 0 is never")
    every_rounds: int = key(0, "rounds between checkpoints; 0 is never")
    keep: int = key(2, "newest checkpoints that are kept")

    def __post_init__(self) -> None:
        for name in ("every_seconds", "every_steps", "every_rounds", "keep"):
            not_negative(self, name)


@dataclass(frozen=True)
class Evaluate:
    """``[evaluate]``: when the model is measured, and on what."""

    every: int = key(1, "epochs or rounds between evaluations; the last one always")
    on: tuple[Literal["test", "clients", "validation", "held_out"], ...] = key(
        (), "what a federated model is measured on; empty is the test set and whatever rows clients keep back"
    )
    personal: bool = key(True, "measure the clients' own models too, if the strategy or fine-tuning makes any")
    finetune_steps: int = key(0, "local steps by which each client tunes its model before it is measured; 0 is none")
    target: float = key(0.0, "accuracy (r2) to reach; summary.json then has rounds and bytes up to it; 0 is none")

    def __post_init__(self) -> None:
        positive(self, "every")
        not_negative(self, "finetune_steps")
        if not 0 <= self.target <= 1:
            raise ValueError(f"target = {self.target}: a value from 0 to 1 is needed")


@dataclass(frozen=True)
class Communication:
    """``[comm]``: how ranks talk."""

    timeout: float = key(600.0, "seconds after which a rank that does not answer is given up; 0 is never")
    on_failure: Literal["stop", "continue"] = key(
        "stop", "after a rank died: end the job, or go on without it (Open MPI's `mpirun --with-ft ulfm`)"
    )
    compressor: Any = part("compressors", "none", "how gradients are made smaller, one message a group (synchronous)")
    error_feedback: bool = key(False, "groups add what the compressor lost to their next message (synchronous)")

    def __post_init__(self) -> None:
        not_negative(self, "timeout")
        if self.compressor is not None:  # None: the section was left out
            code(self)
