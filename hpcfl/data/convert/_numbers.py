"""Numbers seen block by block: which dtype holds them all, and where values are missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hpcfl.data.convert._options import Options
from hpcfl.errors import DataError

MISSING = frozenset(("", "na", "n/a", "nan", "null", "?"))
EXACT = ("uint8", "float32", "float64")


@dataclass
class Numbers:
    """The first pass over the numbers of a table.

    Attributes
    ----------
    options : Options
        ``dtype`` and ``missing`` are used.
    exact : list of str
        The dtypes, from small to large, that have held every value so far.
    missing : int
        Missing values so far; `first` is the place of the first one.
    """

    options: Options
    exact: list[str] = field(default_factory=lambda: list(EXACT))
    missing: int = 0
    first: str = ""

    def update(self, values: np.ndarray, at: Callable[[int, int], str]) -> None:
        """Take a block, shape (m, d); ``at(i, j)`` names the place of a value.

        Raises
        ------
        DataError
            A value that the chosen dtype cannot hold.
        """
        if values.dtype.kind == "f":
            gone = np.isnan(values)
            if gone.any():
                i, j = np.unravel_index(np.argmax(gone), gone.shape)
                self.miss(int(gone.sum()), at(int(i), int(j)))
        if self.options.dtype:
            lost = _lost(values, np.dtype(self.options.dtype))
            if lost.any():
                i, j = np.unravel_index(np.argmax(lost), lost.shape)
                raise DataError(
                    f"{at(int(i), int(j))}: {values[i, j]} does not fit {self.options.dtype}; choose another --dtype"
                )
        else:
            self.exact = [name for name in self.exact if not _differs(values, np.dtype(name)).any()]

    def miss(self, count: int, place: str) -> None:
        """Take `count` missing values, the first of them at `place`."""
        self.missing += count
        self.first = self.first or place

    def dtype(self) -> np.dtype[Any]:
        """Return the dtype to store.

        Raises
        ------
        DataError
            Values are missing and were to be refused, or no dtype holds all values.
        """
        if self.missing and self.options.missing == "refuse":
            more = f" (and {self.missing - 1} more)" if self.missing > 1 else ""
            raise DataError(f"{self.first}: missing value{more}; fill it in, or keep it as NaN by --missing nan")
        chosen = [self.options.dtype] if self.options.dtype else self.exact
        fitting = [name for name in chosen if not self.missing or name.startswith("float")]
        if not fitting:
            why = "uint8 has no NaN" if self.missing else "whole numbers beyond 2**53 fit no dtype exactly"
            raise DataError(f"{why}; choose --dtype float32 or float64")
        return np.dtype(fitting[0])


def number(text: Any) -> int | float | None:
    """Return the number that `text` spells, exact if it is whole, or None."""
    if not isinstance(text, str):
        return text.item() if isinstance(text, np.generic) else text
    if "_" in text:
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def is_missing(value: Any) -> bool:
    """Return whether a cell or a label is missing: empty, NA, N/A, NaN, null or ?."""
    if isinstance(value, str):
        return value.strip().lower() in MISSING
    return value is None or math.isnan(value)


def floats(cells: Sequence[str]) -> np.ndarray | None:
    """Return the cells as float64, NaN where missing, or None if one is another text."""
    try:
        if "_" in "".join(cells):
            return None
        return np.array(list(map(float, cells)))
    except ValueError:
        known = {c: math.nan if is_missing(c) else number(c) for c in set(cells)}
        if None in known.values():
            return None
        return np.array([known[c] for c in cells], np.float64)


def _differs(values: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Return where `values` would change in `dtype` (whole numbers: where they might)."""
    if values.dtype == dtype:
        return np.zeros((1, 1), bool)
    if dtype.kind != "f":
        return np.asarray((values < 0) | (values > np.iinfo(dtype).max) | (values != np.floor(values)))
    if values.dtype.kind != "f":
        limit = 2 ** (np.finfo(dtype).nmant + 1)
        return np.asarray((values > limit) | (values < -limit))
    with np.errstate(over="ignore"):
        return np.asarray((values.astype(dtype) != values) & (values == values))


def _lost(values: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Return where `dtype` cannot hold the values, rounded: overflow, or no whole number for uint8."""
    if dtype.kind != "f":
        return np.asarray(_differs(values, dtype) & (values == values))
    with np.errstate(over="ignore"):
        return np.asarray(np.isfinite(values) & ~np.isfinite(values.astype(dtype)))
