"""The learning rate does not change."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Constant:
    """Factor 1 at every step."""

    def factor(self, step: int, steps: int) -> float:
        """Return the learning rate's factor at `step` of `steps` (both counted from 0)."""
        return 1.0
