"""What compressors to 2 bytes a number share."""

from __future__ import annotations

from typing import ClassVar


class Half:
    """Rounding is to nearest, and so too even to need error feedback."""

    biased: ClassVar[bool] = False
    contracts: ClassVar[bool] = True
    additive: ClassVar[bool] = False
