"""What attacks share that send something of a length: how many do it, and how long it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hpcfl.schema import key, positive


@dataclass(frozen=True)
class Scaled:
    """Bad clients send a message of their own making; a subclass says ``forge``."""

    clients: int = key(1, "bad clients, drawn by the seed")
    scale: float = key(5.0, "length of what they send, in lengths of their update")

    poisons: ClassVar[bool] = False
    sees: ClassVar[str] = ""

    def __post_init__(self) -> None:
        positive(self, "clients")
        positive(self, "scale")
