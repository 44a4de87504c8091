"""Delimited text: its delimiter and header, found by content, and its rows in blocks."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

from hpcfl.data.convert._numbers import is_missing, number
from hpcfl.errors import DataError

DELIMITERS = ("\t", "::", ",", ";", "|", " ")
SAMPLE = 20
SIZE = 1 << 22


@dataclass(frozen=True)
class Text:
    """A delimited text file.

    Attributes
    ----------
    path : Path
    delimiter : str
    names : tuple of str
        Of the columns: the header, or ``column0`` and so on.
    header : bool
        Whether the first row is a header.
    """

    path: Path
    delimiter: str
    names: tuple[str, ...]
    header: bool

    def blocks(self, rows: int) -> Iterator[tuple[list[int], list[list[str]]]]:
        """Yield up to `rows` rows (or 4 MiB of text) at a time, and the line where each one ends (from 1).

        Raises
        ------
        DataError
            A row with more or fewer fields, or text that cannot be read.
        """
        reader = csv_rows(lines(self.path), self.delimiter, self.path)
        if self.header:
            next(reader)
        while block := list(_some(reader, rows)):
            for line, row in block:
                if len(row) != len(self.names):
                    raise DataError(
                        f"{self.path}, line {line}: {len(row)} fields where the first row has {len(self.names)}"
                    )
            yield [line for line, _ in block], [row for _, row in block]


def open_text(path: Path) -> Text:
    """Find delimiter and header of `path` from its first lines.

    Raises
    ------
    DataError
        If it is empty, or no text.
    """
    sample = list(islice(lines(path), SAMPLE))
    delimiter = _delimiter(sample, path)
    rows = [row for _, row in csv_rows(iter(sample), delimiter, path)]
    if not rows:
        raise DataError(f"{path}: no rows")
    header = _has_header(rows)
    names = (name.strip() or f"column{i}" for i, name in enumerate(rows[0]))
    return Text(path, delimiter, tuple(names) if header else tuple(f"column{i}" for i in range(len(rows[0]))), header)


def lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file (UTF-8, ``.gz`` or not), their ends kept."""
    try:
        with open_bytes(path) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
            yield from text
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: no UTF-8 text ({error.reason}); check the format, or recode it by iconv") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error})") from None


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file for reading, through gzip if its name ends with ``.gz``."""
    return gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb")  # type: ignore[return-value]


def csv_rows(source: Iterator[str], delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, fields) of each row that is not blank."""
    if delimiter == "::":
        source, delimiter = (line.replace("::", "\t") for line in source), "\t"
    reader = csv.reader(source, delimiter=delimiter, skipinitialspace=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}; is a quote left open?") from None


def _some(reader: Iterator[tuple[int, list[str]]], rows: int) -> Iterator[tuple[int, list[str]]]:
    size = 0
    for line, row in islice(reader, rows):
        yield line, row
        size += sum(map(len, row))
        if size > SIZE:
            return


def _delimiter(sample: list[str], path: Path) -> str:
    """Return the first delimiter that cuts all rows alike, else the one that cuts the first row most."""
    first = {}
    for delimiter in DELIMITERS:
        widths = _widths(sample, delimiter, path)
        whole = widths[:-1] if len(sample) == SAMPLE else widths
        if whole and whole[0] > 1 and len(set(whole)) == 1:
            return delimiter
        first[delimiter] = widths[0] if widths and delimiter != " " else 0
    return max(first, key=lambda d: first[d]) if max(first.values()) > 1 else ","


def _widths(sample: list[str], delimiter: str, path: Path) -> list[int]:
    """Return the fields of each row; none if a field is too long, as a wide row is to the wrong delimiter."""
    try:
        return [len(row) for _, row in csv_rows(iter(sample), delimiter, path)]
    except DataError:
        return []


def _has_header(rows: list[list[str]]) -> bool:
    """Judge by the columns: a text above numbers, or texts that the rows below never repeat."""
    first, below = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    word = [not is_missing(cell) and number(cell) is None for cell in first]
    for j, is_word in enumerate(word):
        cells = [row[j] for row in below if not is_missing(row[j])]
        if is_word and cells and all(number(cell) is not None for cell in cells):
            return True
    fresh = all(first[j] not in {row[j] for row in below} for j in range(len(first)))
    return all(word) and len(set(first)) == len(first) and fresh
