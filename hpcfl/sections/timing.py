"""The tables of ``[federated]`` that say when clients answer, and with how much work done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hpcfl.schema import key


@dataclass(frozen=True)
class Stragglers:
    """``stragglers = { fraction = 0.9 }``: clients that do a part of their local work, as in the FedProx paper."""

    fraction: float = key(0.0, "share of a round's clients that stop early, after some of their epochs (or steps)")
    work: Literal["keep", "drop"] = key("keep", "what becomes of their partial work")

    def __post_init__(self) -> None:
        if not 0 <= self.fraction <= 1:
            raise ValueError(f"fraction = {self.fraction}: a value from 0 to 1 is needed")


@dataclass(frozen=True)
class Deadline:
    """``deadline = { over_selection = 1.3 }``: draw more clients, keep the first that arrive (Bonawitz et al. 2019)."""

    over_selection: float = key(1.0, "clients drawn for each one whose update is kept: the first to arrive")
    seconds: float = key(0.0, "simulated seconds after which an update comes too late; 0 is never")

    def __post_init__(self) -> None:
        if self.over_selection < 1:
            raise ValueError(f"over_selection = {self.over_selection}: 1 or more is needed")
        if self.seconds < 0:
            raise ValueError(f"seconds = {self.seconds}: 0 or more is needed")
