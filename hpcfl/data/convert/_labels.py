"""Labels seen block by block: which task they are for, and the number of each class."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hpcfl.data.convert._numbers import is_missing, number
from hpcfl.errors import DataError

GUESS = 100
LIMIT = 100_000


@dataclass(frozen=True)
class Coding:
    """How labels become ``y``.

    Attributes
    ----------
    task : {"classification", "regression"}
    classes : tuple of str
        Names of the classes: sorted as numbers if all are numbers, else as texts.
    codes : dict
        Label as read -> class, 0 to k - 1.
    """

    task: str
    classes: tuple[str, ...]
    codes: dict[Any, int]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of ``y``: int64 for classes, float64 for regression."""
        return np.dtype(np.int64 if self.task == "classification" else np.float64)

    def encode(self, values: Sequence[Any] | np.ndarray) -> np.ndarray:
        """Return ``y`` of a block of labels, shape (m,)."""
        if self.task == "regression":
            return np.array([number(v) for v in _plain(values)], np.float64)
        try:
            return np.array([self.codes[v] for v in _plain(values)], np.int64)
        except KeyError as error:
            raise DataError(f"label {error} is new; the source changed while it was read") from None

    def attrs(self) -> dict[str, Any]:
        """Return the attributes that describe ``y``."""
        return {"task": self.task} | ({"classes": list(self.classes)} if self.classes else {})


@dataclass
class Labels:
    """The first pass over the labels of a table; `task` is "" to judge by them.

    Memory: up to 100,000 different labels.
    """

    task: str = ""
    distinct: set[Any] = field(default_factory=set)
    text: str = ""
    many: bool = False
    infinite: str = ""

    def update(self, values: Sequence[Any] | np.ndarray, at: Callable[[int], str]) -> None:
        """Take a block of labels; ``at(i)`` names the place of one.

        Raises
        ------
        DataError
            A missing label, a text for regression, or too many classes.
        """
        values = _plain(values)
        new = set(values)
        for value in new:
            if is_missing(value):
                raise DataError(f"{at(values.index(value))}: the label is missing; remove the row, or use --label none")
            if not self.text and number(value) is None:
                self.text = f"{at(values.index(value))}: '{value}' is not a number"
            if not self.infinite and number(value) in (math.inf, -math.inf):
                self.infinite = f"{at(values.index(value))}: '{value}' is not finite"
        if self.text and self.task == "regression":
            raise DataError(f"{self.text}; regression needs numbers (--task classification takes texts)")
        if not self.many:
            self.distinct |= new
            self.many = len(self.distinct) > LIMIT
        if self.many and (self.text or self.task == "classification"):
            raise DataError(f"{at(0)}: more than {LIMIT} different labels; is this the label column? See --label")

    def finish(self) -> Coding:
        """Return the coding: by the task, else whole numbers of up to 100 kinds and texts are classes.

        Raises
        ------
        DataError
            An infinite label, for regression.
        """
        values: dict[Any, Any] = {v: v if self.text else number(v) for v in self.distinct}
        whole = not self.text and all(float(v).is_integer() for v in values.values())
        few = self.text or (whole and len(set(values.values())) <= GUESS and not self.many)
        task = self.task or ("classification" if few else "regression")
        if task == "regression":
            if self.infinite:
                raise DataError(f"{self.infinite}; regression needs finite numbers: mend it, or remove the row")
            return Coding(task, (), {})
        if self.text:
            values = {v: str(v) for v in values}
        order = sorted(set(values.values()))
        index = {value: i for i, value in enumerate(order)}
        names = tuple(str(int(v)) if whole else str(v) for v in order)
        return Coding(task, names, {label: index[value] for label, value in values.items()})


def _plain(values: Sequence[Any] | np.ndarray) -> list[Any]:
    """Return labels as Python values (NaN as None, so that equal labels are equal)."""
    if not isinstance(values, np.ndarray):
        return [None if v != v else v for v in values]
    flat = values.reshape(-1).tolist()
    if values.dtype.kind == "S":
        return [v.decode() for v in flat]
    return [None if v != v else v for v in flat] if values.dtype.kind == "f" else flat
