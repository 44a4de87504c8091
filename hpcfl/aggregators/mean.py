"""The weighted mean: what sums on the way, in fixed point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Mean:
    """Each client's update counts by its weight; a single one can move it anywhere."""

    stack: ClassVar[bool] = False
