"""Root attributes of a dataset file, which may be one of others and hold anything."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import h5py
import numpy as np

KINDS = {"classes": list, "feature_names": list, "categorical": dict, "task": str}
TASKS = ("classification", "regression", "ratings")


def attributes(file: h5py.File) -> dict[str, Any]:
    """Return the root attributes as JSON values, JSON texts decoded."""
    return {name: _plain(value) for name, value in file.attrs.items()}


def sifted(attrs: dict[str, Any], features: int) -> dict[str, Any]:
    """Return the attributes without those that cannot mean what they do in our files, of rows of so many features."""
    fine: dict[str, Any] = {name: value for name, value in attrs.items() if isinstance(value, KINDS.get(name, object))}
    if fine.get("task") not in TASKS:
        fine.pop("task", None)
    if len(fine.get("feature_names", ())) != features:
        fine.pop("feature_names", None)
    return fine


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(v) for v in value]
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    if isinstance(text, str) and text[:1] in ("[", "{"):
        with suppress(ValueError):
            return json.loads(text)
    return text if isinstance(text, str | int | float) else str(text)
