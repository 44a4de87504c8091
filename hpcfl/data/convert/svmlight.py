"""svmlight (libsvm) text, ``label index:value ... # comment``, to sparse rows (CSR)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hpcfl.data.convert._labels import Coding, Labels
from hpcfl.data.convert._numbers import Numbers
from hpcfl.data.convert._options import Options
from hpcfl.data.convert._text import lines
from hpcfl.data.writer import Draft
from hpcfl.errors import DataError, UsageError

ROW = re.compile(r"[^\s:,;]+(\s+qid:\d+)?(?P<pairs>(\s+\d+:\S+)*)\s*(#.*)?")
LINES = 4096


class Rows(NamedTuple):
    """Some rows: the line of each, labels, lengths, and all indices and values, row after row."""

    lines: np.ndarray
    labels: list[str]
    lengths: np.ndarray
    indices: np.ndarray
    values: np.ndarray


def matches(path: Path, options: Options) -> bool:
    """Return whether the first lines are a label and index:value pairs."""
    if not path.is_file() or path.suffix in (".json", ".npy", ".npz", ".h5") or options.task == "ratings":
        return False
    try:
        first = [line.strip() for line in islice(lines(path), 20)]
    except DataError:
        return False
    rows = [ROW.fullmatch(line) for line in first if line and line[0] != "#"]
    return all(rows) and any(row["pairs"] for row in rows if row)


def draft(path: Path, options: Options) -> Draft:
    """Read `path` once: rows, stored values, the largest index, labels.

    Indices count from 1, or from 0 if one of them is 0.
    """
    options.refuse_label(path)
    if options.dtype not in ("", "float32", "float64"):
        raise UsageError(f"--dtype {options.dtype}: sparse rows are float32 or float64")
    numbers, labels = Numbers(options, ["float32", "float64"]), Labels(options.task)
    rows, stored, low, high = 0, 0, 1, 0
    for block in _blocks(path):
        places = np.repeat(block.lines, block.lengths)
        numbers.update(
            block.values[:, None],
            lambda i, _, b=block, at=places: f"{path}, line {at[i]}, feature {b.indices[i]}",  # type: ignore[misc]
        )
        if options.label != "none":
            labels.update(block.labels, lambda i, b=block: f"{path}, line {b.lines[i]}")  # type: ignore[misc]
        rows, stored = rows + len(block.labels), stored + len(block.values)
        low = min(low, int(block.indices.min(initial=1)))
        high = max(high, int(block.indices.max(initial=0)))
    if not rows:
        raise DataError(f"{path}: no rows")
    coding = labels.finish() if options.label != "none" else None
    return _draft(path, (rows, stored, high + 1 - low), low, numbers, coding)


def _draft(path: Path, size: tuple[int, int, int], base: int, numbers: Numbers, coding: Coding | None) -> Draft:
    rows, stored, features = size
    dtype = numbers.dtype()
    columns: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {
        "x/data": ((stored,), dtype),
        "x/indices": ((stored,), np.dtype(np.int32)),
        "x/indptr": ((rows + 1,), np.dtype(np.int64)),
    }
    if coding is not None:
        columns["y"] = ((rows,), coding.dtype)

    def blocks() -> Iterator[dict[str, np.ndarray]]:
        yield {"x/indptr": np.zeros(1, np.int64)}
        end = 0
        for block in _blocks(path):
            ends = end + np.cumsum(block.lengths)
            y = {"y": coding.encode(block.labels)} if coding is not None else {}
            indices = (block.indices - base).astype(np.int32)
            yield {"x/data": block.values.astype(dtype), "x/indices": indices, "x/indptr": ends, **y}
            end = int(ends[-1])

    attrs = {"features": features, **(coding.attrs() if coding else {})}
    return Draft(columns, attrs, blocks, (f"indices count from {base}",))


def _blocks(path: Path) -> Iterator[Rows]:
    """Yield the rows of up to 4,096 lines, or of about 1 MiB of text, at a time."""
    numbered = enumerate(lines(path), 1)
    while some := list(_some(numbered)):
        parsed = [(n, *_parse(path, n, line)) for n, line in some]
        yield Rows(
            np.array([n for n, *_ in parsed]),
            [label for _, label, _, _ in parsed],
            np.array([len(values) for *_, values in parsed], np.int64),
            np.fromiter(chain.from_iterable(indices for _, _, indices, _ in parsed), np.int64),
            np.fromiter(chain.from_iterable(values for *_, values in parsed), np.float64),
        )


def _some(numbered: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield lines with a row in them, up to 4,096 lines or about 1 MiB."""
    size = 0
    for n, line in islice(numbered, LINES):
        text = line.partition("#")[0].strip()
        if text:
            yield n, text
        size += len(line)
        if size > 1 << 20:
            return


def _parse(path: Path, n: int, line: str) -> tuple[str, list[int], list[float]]:
    label, *words = line.split()
    pairs = [word.partition(":") for word in words if not word.startswith("qid:")]
    try:
        indices = [int(index) for index, _, _ in pairs]
        values = [float(value) for _, _, value in pairs]
    except ValueError as error:
        raise DataError(f"{path}, line {n}: {error}; 'label index:value ...' is needed") from None
    if any(a >= b for a, b in pairwise(indices)) or (indices and indices[0] < 0):
        raise DataError(f"{path}, line {n}: indices must rise from one pair to the next, from 0 or 1")
    if indices and indices[-1] >= 2**31:
        raise DataError(f"{path}, line {n}: index {indices[-1]} is beyond 2**31 - 1")
    return label, indices, values
