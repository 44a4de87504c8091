"""Categorical columns: codes 0, 1, ... whose names a file stores under ``categorical``, by feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hpcfl.data.table import Table
from hpcfl.errors import DataError


def kinds_of(table: Table) -> np.ndarray:
    """Return 1 for features that are categories, 0 for numbers, uint8 (features,)."""
    names = [str(name) for name in table.attrs.get("feature_names", ())]
    kinds = np.zeros(table.features, np.uint8)
    for name in table.attrs.get("categorical", {}):
        if name not in names:
            raise DataError(f"{table.files[0]}: categorical column '{name}' is none of its features; convert it again")
        kinds[names.index(name)] = 1
    return kinds


def refuse(table: Table) -> None:
    """Refuse category codes, which most models would take for numbers.

    Raises
    ------
    DataError
        The table has a categorical column.
    """
    for name in table.attrs.get("categorical", {}):
        raise DataError(
            f"{table.files[0]}: column '{name}' holds category codes, which only a forest takes; "
            "convert it without --categories codes"
        )


def translation(table: Table, known: Mapping[str, Sequence[str]]) -> dict[int, np.ndarray]:
    """Return, by feature, the model's code of each code of `table`; one more than all for a category unknown to it.

    Parameters
    ----------
    known : dict of str to list of str
        The categories of each categorical feature, as the model learned them.

    Raises
    ------
    DataError
        A feature is categorical in one of the two only.
    """
    here: dict[str, Any] = table.attrs.get("categorical", {})
    odd = sorted(set(here) ^ set(known))
    if odd:
        raise DataError(
            f"{table.files[0]}: column '{odd[0]}' holds {'categories' if odd[0] in here else 'numbers'}, "
            "the model learned it otherwise; convert both files alike"
        )
    out = {}
    names = list(table.attrs.get("feature_names", ()))
    for name, own in here.items():
        place = {category: float(i) for i, category in enumerate(known[name])}
        codes = np.array([place.get(category, float(len(place))) for category in own])
        if list(own) != list(known[name]):
            out[names.index(name)] = codes
    return out


def translate(x: np.ndarray, maps: Mapping[int, np.ndarray]) -> np.ndarray:
    """Replace the codes of categorical columns of `x` (n, d) by those that `maps` gives; return float rows."""
    if not maps:
        return x
    x = x.astype(np.result_type(x.dtype, np.float32))
    for f, codes in maps.items():
        there = ~np.isnan(x[:, f])
        x[there, f] = codes[x[there, f].astype(np.int64)]
    return x
