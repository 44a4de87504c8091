"""The learning rate falls along half a cosine (Loshchilov and Hutter 2017, SGDR, one cycle)."""

from dataclasses import dataclass
from math import cos, pi

from hpcfl.schema import key


@dataclass(frozen=True)
class Cosine:
    """From 1 at the first step to `floor` after the last."""

    floor: float = key(0.0, "factor that the last step approaches")

    def factor(self, step: int, steps: int) -> float:
        """Return the learning rate's factor at `step` of `steps` (both counted from 0)."""
        return self.floor + (1 - self.floor) * 0.5 * (1 + cos(pi * step / max(steps, 1)))
