"""Delimited text (CSV, TSV, ...): numbers stay, texts become one column per category, or one of codes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hpcfl.data.convert._labels import Coding, Labels
from hpcfl.data.convert._numbers import Numbers, floats, is_missing, number
from hpcfl.data.convert._options import Options
from hpcfl.data.convert._text import Text, open_text
from hpcfl.data.writer import Draft
from hpcfl.errors import DataError, UsageError

CATEGORIES = 1000
CELLS = 1 << 16
LABELS = ("label", "target", "class", "y")


@dataclass
class Column:
    """A feature column: what the first pass has seen of it, and its values in the second.

    Attributes
    ----------
    name : str
    codes : bool
        Whether texts become codes.
    seen : Counter of str
        The categories and their rows, if it holds texts.
    numeric : bool or None
        None until the first value that is not missing.
    """

    name: str
    codes: bool = False
    seen: Counter[str] = field(default_factory=Counter)
    numeric: bool | None = None

    def update(self, cells: Sequence[str], numbers: Numbers, at: Callable[[int], str]) -> None:
        """Take a block of cells, shape (m,).

        Raises
        ------
        DataError
            Texts among numbers, or more than 1,000 categories.
        """
        values = None if self.numeric is False else floats(cells)
        if values is not None:
            self.numeric = self.numeric or not np.isnan(values).all() or None
            numbers.update(values[:, None], lambda i, _: at(i))
            return
        known = {c for c in set(cells) if not is_missing(c)}
        if known:
            self._refuse_mixture(cells, known, at)
            self.numeric = False
        self.seen.update(cell for cell in cells if cell in known)
        if len(self.seen) > CATEGORIES:
            raise DataError(f"{at(0)}: more than {CATEGORIES} different texts; remove the column, or encode it")
        gone = [i for i, cell in enumerate(cells) if is_missing(cell)]
        if gone:
            numbers.miss(len(gone), at(gone[0]))

    @property
    def categories(self) -> list[str]:
        """The categories in order, for codes the most frequent first; empty for numbers."""
        return sorted(self.seen, key=lambda c: (-self.seen[c] if self.codes else 0, c))

    @property
    def names(self) -> list[str]:
        """Names of its features."""
        return [f"{self.name}={c}" for c in self.categories if not self.codes] or [self.name]

    def values(self, cells: Sequence[str]) -> np.ndarray:
        """Return the features of a block: (m, 1) numbers or codes, or (m, categories) of 0, 1 (NaN if missing)."""
        if not self.seen:
            numbers = floats(cells)
            assert numbers is not None
            return numbers[:, None]
        place = {c: i for i, c in enumerate(self.categories)}
        if self.codes:
            return np.array([math.nan if is_missing(cell) else place[cell] for cell in cells], np.float64)[:, None]
        out = np.zeros((len(cells), len(place)))
        for row, cell in zip(out, cells, strict=True):
            if is_missing(cell):
                row[:] = math.nan
            else:
                row[place[cell]] = 1
        return out

    def _refuse_mixture(self, cells: Sequence[str], known: set[str], at: Callable[[int], str]) -> None:
        odd = {c for c in known if (number(c) is None) == bool(self.numeric)}
        both = known if self.numeric is None and any(number(c) is not None for c in known) else odd
        if both:
            wrong = [c for c in both if number(c) is None] or list(both)
            i = next(i for i, cell in enumerate(cells) if cell in wrong)
            raise DataError(f"{at(i)}: '{cells[i]}' in a column of both numbers and texts; correct it, or write NA")


def draft(path: Path, options: Options) -> Draft:
    """Read `path` once: columns, categories, labels and rows."""
    text = open_text(path)
    label = find_label(text, options.label)
    columns = {j: Column(name, options.categories == "codes") for j, name in enumerate(text.names) if j != label}
    if not columns:
        raise DataError(f"{path}: no column is left beside the label; is the delimiter right?")
    numbers, labels, rows = Numbers(options), Labels(options.task), 0
    for ends, block in text.blocks(max(1, CELLS // len(text.names))):
        rows += len(block)
        for j, cells in enumerate(zip(*block, strict=True)):
            at = _places(text, ends, j)
            if j == label:
                labels.update(cells, at)
            else:
                columns[j].update(cells, numbers, at)
    if not rows:
        raise DataError(f"{path}: a header and no rows")
    return _draft(text, columns, numbers, rows, label, labels.finish() if label is not None else None)


def find_label(text: Text, label: str) -> int | None:
    """Return the position of the label column: by name or position, else a usual name, else the last."""
    if label == "none":
        return None
    if not label:
        usual = [j for j, name in enumerate(text.names) if name.lower() in LABELS]
        return usual[0] if len(usual) == 1 else len(text.names) - 1
    if label in text.names:
        return text.names.index(label)
    width = len(text.names)
    if not label.removeprefix("-").isdigit() or not -width <= int(label) < width:
        shown = ", ".join(text.names[:20]) + (", ..." if width > 20 else "")
        raise UsageError(
            f"--label {label}: {text.path} has {width} columns: {shown}; give a name, a position from 0, or none"
        )
    return int(label) % width


def _places(text: Text, ends: list[int], j: int) -> Callable[[int], str]:
    return lambda i: f"{text.path}, line {ends[i]}, column '{text.names[j]}'"


def _draft(
    text: Text, columns: dict[int, Column], numbers: Numbers, rows: int, label: int | None, coding: Coding | None
) -> Draft:
    names = [name for column in columns.values() for name in column.names]
    texts = {c.name: c.categories for c in columns.values() if c.seen}
    coded = any(c.codes for c in columns.values()) and bool(texts)
    if coded:
        numbers.update(np.array([[len(t) - 1 for t in texts.values()]]), lambda _, j: f"column '{list(texts)[j]}'")
    dtype = numbers.dtype()
    shapes: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {"x": ((rows, len(names)), dtype)}
    attrs = {"features": len(names), "feature_names": names, "categorical" if coded else "categories": texts}
    notes = [f"missing values stored as NaN: {numbers.missing}"] if numbers.missing else []
    if label is not None and coding is not None:
        shapes["y"] = ((rows,), coding.dtype)
        attrs |= {"label": text.names[label], **coding.attrs()}
        notes.insert(0, f"label: column '{text.names[label]}' (position {label})")

    def blocks() -> Iterator[dict[str, np.ndarray]]:
        for _, block in text.blocks(max(1, CELLS // max(len(names), len(text.names)))):
            cells = list(zip(*block, strict=True))
            x = np.concatenate([column.values(cells[j]) for j, column in columns.items()], axis=1)
            y = {"y": coding.encode(cells[label])} if label is not None and coding is not None else {}
            yield {"x": x.astype(dtype), **y}

    return Draft(shapes, attrs, blocks, tuple(notes))
