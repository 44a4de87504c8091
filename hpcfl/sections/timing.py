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


@dataclass(frozen=True)
class Asynchronous:
    """``asynchronous = { concurrency = 100 }``: the server waits for a buffer, not for a round (Nguyen et al. 2022)."""

    concurrency: int = key(
        0, "clients that train at any time; the server moves when clients_per_round of them are back; 0 is rounds"
    )
    exponent: float = key(0.5, "an update whose model is t moves old counts by 1 / (1 + t)^exponent")

    def __post_init__(self) -> None:
        if self.concurrency < 0 or self.exponent < 0:
            raise ValueError(f"concurrency = {self.concurrency}, exponent = {self.exponent}: 0 or more is needed")


@dataclass(frozen=True)
class Hierarchy:
    """``hierarchy = { groups = 10 }``: clients average within their group first (Liu et al. 2020, HierFAVG)."""

    groups: int = key(0, "groups of neighbouring clients; 0 is none")
    averages: int = key(2, "averages within each group in a round, before the groups' models are averaged")

    def __post_init__(self) -> None:
        if self.groups < 0 or self.averages < 1:
            raise ValueError(f"groups = {self.groups}, averages = {self.averages}: 0 or more, and 1 or more are needed")
