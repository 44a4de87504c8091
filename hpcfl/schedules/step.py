"""The learning rate falls by a factor at equal distances."""

from dataclasses import dataclass

from hpcfl.schema import key


@dataclass(frozen=True)
class Step:
    """Factor ``gamma ** (step // every)``."""

    every: int = key(1000, "steps (federated: rounds) between two falls")
    gamma: float = key(0.1, "factor of each fall")

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"every = {self.every}: a value above 0 is needed")

    def factor(self, step: int, steps: int) -> float:
        """Return the learning rate's factor at `step` of `steps` (both counted from 0)."""
        return float(self.gamma ** (step // self.every))
