"""What a machine gives, measured without a peer: kernels, sums, reading."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple


class Figure(NamedTuple):
    """One measured line: topic, what, its value in a unit, and the share of a limit if there is one."""

    topic: str
    what: str
    value: float
    unit: str
    share: float | None = None
    limit: str = ""


def seconds(work: Callable[[], object], least: float = 0.2) -> float:
    """Return the shortest time of `work` over as many calls as take `least` seconds, three at least.

    What a core can do shows in the call that nothing else interrupted.
    """
    work()
    taken: list[float] = []
    while len(taken) < 3 or sum(taken) < least:
        start = perf_counter()
        work()
        taken.append(perf_counter() - start)
    return min(taken)
