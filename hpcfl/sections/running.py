"""``[checkpoint]``, ``[evaluate]`` and ``[comm]``: how a job runs."""

from __future__ import annotations

from dataclasses import dataclass

from hpcfl.schema import key


@dataclass(frozen=True)
class Checkpoint:
    """``[checkpoint]``: when the state is written, and how much is kept."""

    every_seconds: float = key(600.0, "seconds between checkpoints; 0 is never")
    every_steps: int = key(0, "steps between checkpoints; 0 is never")
    every_rounds: int = key(0, "rounds between checkpoints; 0 is never")
    keep: int = key(2, "newest checkpoints that are kept")


@dataclass(frozen=True)
class Evaluate:
    """``[evaluate]``: when the model is measured, and on what."""

    every: int = key(1, "epochs or rounds between evaluations; the last one always")


@dataclass(frozen=True)
class Communication:
    """``[comm]``: how ranks talk."""

    timeout: float = key(600.0, "seconds after which a rank that does not answer is given up; 0 is never")
