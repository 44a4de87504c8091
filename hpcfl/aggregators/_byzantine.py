"""What rules share that are told how many updates are bad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hpcfl.schema import key, not_negative


@dataclass(frozen=True)
class Byzantine:
    """A rule that withstands `byzantine` bad updates; a subclass says among how many, and ``combine``."""

    byzantine: int = key(1, "updates that may be anything (f)")

    stack: ClassVar[bool] = True

    def __post_init__(self) -> None:
        not_negative(self, "byzantine")
