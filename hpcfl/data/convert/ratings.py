"""Ratings from delimited text: user, item, rating, and a timestamp if there is one.

MovieLens files are read as they come: ``u.data`` (tabs, no header), ``ratings.csv`` (header) and
``ratings.dat`` (``::``). Memory: 8 bytes a rating (16 while that grows) to find pairs rated twice,
and the ids.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hpcfl.data.convert._numbers import Numbers, floats, is_missing, number
from hpcfl.data.convert._options import Options
from hpcfl.data.convert._text import Text, open_text
from hpcfl.data.writer import Draft
from hpcfl.errors import DataError

ROWS = 1 << 13
NAMES = {
    "user": ("user", "reviewer", "u"),
    "item": ("item", "movie", "product", "book", "i"),
    "rating": ("rating", "score", "stars", "r"),
    "timestamp": ("timestamp", "time", "ts"),
}
CANONICAL = re.compile(r"0|-?[1-9]\d{0,17}")


@dataclass(frozen=True)
class Ids:
    """Ids and their numbers: sorted as numbers if all are whole numbers, else as texts.

    Attributes
    ----------
    names : (k,) int64, or texts as objects
    rank : (k,) int64
        Number of the id that was the i-th to appear.
    """

    names: np.ndarray
    rank: np.ndarray

    @classmethod
    def sort(cls, seen: dict[str, int]) -> Ids:
        """Number the ids of `seen` (id -> order of appearance)."""
        whole = all(CANONICAL.fullmatch(name) for name in seen)
        names = np.array([int(name) for name in seen], np.int64) if whole else np.array(list(seen), object)
        order = np.argsort(names, kind="stable")
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        return cls(names[order], rank)


def matches(path: Path, options: Options) -> bool:
    """Return whether the task is ``ratings``."""
    return options.task == "ratings"


def draft(path: Path, options: Options) -> Draft:
    """Read `path` once: ids, dtypes, and the pairs that are rated more than once."""
    options.refuse_label(path)
    text = open_text(path)
    where = columns(text)
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    pairs, numbers = array("Q"), Numbers(options, ["float32", "float64"])
    for ends, block in text.blocks(ROWS):
        cells = list(zip(*block, strict=True))
        _check(text, ends, cells, where, numbers)
        pairs.frombytes(_pairs(cells, where, users, items).tobytes())
    if not pairs:
        raise DataError(f"{path}: no ratings")
    keys = np.frombuffer(pairs, np.uint64)
    keys.sort()
    return _draft(text, where, (users, items), numbers.dtype(), keys)


def columns(text: Text) -> dict[str, int]:
    """Return the position of each field: by the names of the header, else user, item, rating, timestamp."""
    plain = [re.sub(r"(_| |-)?id$|[_ -]", "", name.lower()) for name in text.names]
    found = {field: next((j for j, n in enumerate(plain) if n in names), -1) for field, names in NAMES.items()}
    if min(found[field] for field in ("user", "item", "rating")) < 0:
        if text.header and len(text.names) > 4:
            raise DataError(f"{text.path}: no columns user, item and rating among {', '.join(text.names)}")
        found = {field: j if j < len(text.names) else -1 for j, field in enumerate(NAMES)}
    if found["rating"] < 0:
        raise DataError(f"{text.path}: {len(text.names)} columns; user, item and rating are needed")
    return {field: j for field, j in found.items() if j >= 0}


def _check(
    text: Text, ends: list[int], cells: Sequence[Sequence[str]], where: dict[str, int], numbers: Numbers
) -> None:
    """Take the ratings of a block; refuse missing ids, infinite ratings, timestamps that are no whole numbers."""

    def refuse(field: str, bad: Callable[[str], bool], why: str) -> None:
        i = next((i for i, cell in enumerate(cells[where[field]]) if bad(cell)), None)
        if i is not None:
            cell = cells[where[field]][i]
            raise DataError(f"{text.path}, line {ends[i]}, column '{text.names[where[field]]}': '{cell}' {why}")

    for field in ("user", "item"):
        refuse(field, lambda cell: not cell.strip(), "is no id; fill it in, or remove the row")
    refuse(
        "rating", lambda cell: is_missing(cell) or number(cell) is None, "is no rating; fill it in, or remove the row"
    )
    values = floats(cells[where["rating"]])
    assert values is not None
    if np.isinf(values).any():
        refuse("rating", lambda cell: math.isinf(float(cell)), "is not finite; mend it, or remove the row")
    numbers.update(values[:, None], lambda i, _: f"{text.path}, line {ends[i]}")
    if "timestamp" in where:
        refuse("timestamp", lambda cell: not isinstance(number(cell), int), "is no whole number of seconds")


def _pairs(
    cells: Sequence[Sequence[str]], where: dict[str, int], users: dict[str, int], items: dict[str, int]
) -> np.ndarray:
    """Return (user << 32 | item) of each row as uint64, numbered by appearance; new ids are added."""
    user = np.array([users.setdefault(c, len(users)) for c in cells[where["user"]]], np.uint64)
    item = np.array([items.setdefault(c, len(items)) for c in cells[where["item"]]], np.uint64)
    return (user << np.uint64(32)) | item


def _draft(
    text: Text,
    where: dict[str, int],
    seen: tuple[dict[str, int], dict[str, int]],
    dtype: np.dtype[Any],
    keys: np.ndarray,
) -> Draft:
    again = np.flatnonzero(keys[1:] == keys[:-1])
    twice, extra = np.unique(keys[again], return_counts=True)
    users, items = (Ids.sort(ids) for ids in seen)
    rows, count = len(keys) - len(again), np.dtype(np.int32)
    shapes: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {
        "user": ((rows,), count),
        "item": ((rows,), count),
        "rating": ((rows,), dtype),
        "user_id": (users.names.shape, users.names.dtype),
        "item_id": (items.names.shape, items.names.dtype),
    }
    if "timestamp" in where:
        shapes["timestamp"] = ((rows,), np.dtype(np.int64))
    attrs = {"task": "ratings", "users": len(users.names), "items": len(items.names), "duplicates": len(again)}

    def blocks() -> Iterator[dict[str, np.ndarray]]:
        yield {"user_id": users.names, "item_id": items.names}
        left = extra.copy()
        for _, block in text.blocks(ROWS):
            cells = list(zip(*block, strict=True))
            pair = _pairs(cells, where, *seen)
            keep = _last(pair, twice, left)
            out = {"user": users.rank[pair >> np.uint64(32)], "item": items.rank[pair & np.uint64(2**32 - 1)]}
            out["rating"] = np.array(cells[where["rating"]], np.float64)
            if "timestamp" in where:
                out["timestamp"] = np.array(cells[where["timestamp"]], np.int64)
            yield {name: values[keep] for name, values in out.items()}

    notes = (f"pairs rated more than once: {len(again)} earlier ratings dropped, the last one kept",)
    return Draft(shapes, attrs, blocks, notes if len(again) else ())


def _last(pair: np.ndarray, twice: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Return which rows are the last rating of their pair; `left` counts down the ones still to be dropped."""
    keep = np.ones(len(pair), bool)
    if len(twice):
        at = np.minimum(np.searchsorted(twice, pair), len(twice) - 1)
        for i in np.flatnonzero(twice[at] == pair):
            keep[i] = left[at[i]] == 0
            left[at[i]] -= not keep[i]
    return keep
