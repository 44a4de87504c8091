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


LINE = json.JSONEncoder(allow_nan=False)  # json.dumps would make one for each line


def dumps(value: Any, indent: int | None = None) -> str:
    """Return `value` as JSON text."""
    encoder = LINE if indent is None else json.JSONEncoder(indent=indent, allow_nan=False)
    try:
        return encoder.encode(value)
    except ValueError:  # JSON cannot say it
        return encoder.encode(plain(value))
