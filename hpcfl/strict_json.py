"""JSON that every reader accepts: what JSON cannot say, NaN and infinity, becomes null."""

from __future__ import annotations

import json
import math
from typing import Any


def plain(value: Any) -> Any:
    """Return `value` with None for each float in it that is not finite."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def dumps(value: Any, indent: int | None = None) -> str:
    """Return `value` as JSON text."""
    try:
        return json.dumps(value, indent=indent, allow_nan=False)
    except ValueError:  # JSON cannot say it
        return json.dumps(plain(value), indent=indent, allow_nan=False)
