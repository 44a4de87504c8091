"""What formats of whole arrays share: blocks of rows and labels to the draft of a dense file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hpcfl.data.convert._labels import Coding, Labels
from hpcfl.data.convert._numbers import Numbers
from hpcfl.data.convert._options import DTYPES, Options
from hpcfl.data.writer import Draft
from hpcfl.errors import DataError

BLOCK = 1 << 20


class Block(NamedTuple):
    """A run of rows as the source has them.

    Attributes
    ----------
    x : (m, ...) numbers
    y : m labels, or None
    rest : dict
        Other datasets, stored as they are.
    """

    x: np.ndarray
    y: Sequence[Any] | np.ndarray | None = None
    rest: dict[str, np.ndarray] = {}  # noqa: RUF012


def block_rows(shape: tuple[int, ...], itemsize: int) -> int:
    """Return how many rows of an array make a block of about 1 MiB."""
    return max(1, BLOCK // max(1, itemsize * int(np.prod(shape[1:], dtype=np.int64))))


def dense_draft(path: Path, options: Options, blocks: Callable[[], Iterator[Block]], attrs: dict[str, Any]) -> Draft:
    """Read all blocks once and draft a dense file; dimensions after the first become columns.

    Floats and uint8 keep their dtype unless ``options.dtype`` says otherwise; other whole numbers
    take the smallest that holds them all.
    """
    numbers, labels, rows, seen = Numbers(options), Labels(options.task), 0, None
    for block in blocks():
        x = _flat(block.x, path)
        if seen is not None and seen.x.shape[1:] != block.x.shape[1:]:
            raise DataError(
                f"{path}, row {rows}: shape {block.x.shape[1:]} where the first rows have {seen.x.shape[1:]}"
            )
        if seen is None and x.dtype.name in DTYPES:
            numbers.exact = [x.dtype.name]
        numbers.update(x, lambda i, j, start=rows: f"{path}, row {start + i}, column {j}")  # type: ignore[misc]
        if block.y is not None:
            labels.update(block.y, lambda i, start=rows: f"{path}, label {start + i}")  # type: ignore[misc]
        rows, seen = rows + len(x), block
    if seen is None or not rows:
        raise DataError(f"{path}: no rows")
    return _draft(blocks, attrs, rows, seen, numbers, labels.finish() if seen.y is not None else None)


def _draft(
    blocks: Callable[[], Iterator[Block]],
    attrs: dict[str, Any],
    rows: int,
    like: Block,
    numbers: Numbers,
    coding: Coding | None,
) -> Draft:
    dtype, features = numbers.dtype(), int(np.prod(like.x.shape[1:]))
    columns: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {"x": ((rows, features), dtype)}
    if coding is not None:
        columns["y"] = ((rows,), coding.dtype)
    columns |= {name: ((rows,), values.dtype) for name, values in like.rest.items()}
    attrs = {"features": features, **attrs, **(coding.attrs() if coding else {})}
    if like.x.ndim > 2:
        attrs["shape"] = list(like.x.shape[1:])

    def encoded() -> Iterator[dict[str, np.ndarray]]:
        for x, y, rest in blocks():
            labels = {"y": coding.encode(y)} if coding is not None and y is not None else {}
            yield {"x": x.reshape(len(x), -1).astype(dtype, copy=False), **labels, **rest}

    notes = (f"missing values stored as NaN: {numbers.missing}",) if numbers.missing else ()
    return Draft(columns, attrs, encoded, notes)


def _flat(x: np.ndarray, path: Path) -> np.ndarray:
    if x.ndim < 2 or x.dtype.kind not in "fuib":
        raise DataError(f"{path}: x is {x.dtype} with {x.ndim} dimensions; numbers in rows and columns are needed")
    return x.reshape(len(x), -1)
