"""NumPy files: ``.npy`` with a table, ``.npz`` with arrays x and y (or X, y; data, target or labels)."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from hpcfl.data.convert._dense import Block, block_rows, dense_draft
from hpcfl.data.convert._options import Options
from hpcfl.data.writer import Draft
from hpcfl.errors import DataError, UsageError

X = ("x", "X", "data")
Y = ("y", "Y", "target", "labels")


@dataclass(frozen=True)
class Stored:
    """An array in a file: the file itself, or the `member` of an archive."""

    path: Path
    member: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool

    def blocks(self, rows: int) -> Iterator[np.ndarray]:
        """Yield up to `rows` rows at a time; a column-major array is mapped (npy) or held whole (npz)."""
        try:
            if self.fortran:
                whole = np.load(self.path, mmap_mode="r")
                whole = whole[self.member] if self.member else whole
                yield from (whole[i : i + rows] for i in range(0, self.shape[0], rows))
                return
            with _open(self.path, self.member) as file:
                _header(file)
                yield from self._read(file, rows)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f"{self.path} is damaged ({error}); copy or write it again") from None

    def _read(self, file: IO[bytes], rows: int) -> Iterator[np.ndarray]:
        item = self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=np.int64))
        for start in range(0, self.shape[0], rows):
            m = min(rows, self.shape[0] - start)
            data = file.read(m * item)
            if len(data) < m * item:
                raise EOFError(f"it ends in row {start + len(data) // max(item, 1)} of {self.shape[0]}")
            yield np.frombuffer(data, self.dtype).reshape(m, *self.shape[1:])


def matches(path: Path, options: Options) -> bool:
    """Return whether the name ends with ``.npy`` or ``.npz``."""
    return path.suffix in (".npy", ".npz") and options.task != "ratings"


def draft(path: Path, options: Options) -> Draft:
    """Read `path` once; ``--label`` is a column of an ``.npy``, or the name of an array of an ``.npz``."""
    return _draft_npy(path, options) if path.suffix == ".npy" else _draft_npz(path, options)


def _draft_npy(path: Path, options: Options) -> Draft:
    x = _stored(path, "")
    rows = block_rows(x.shape, x.dtype.itemsize)
    if options.label in ("", "none"):
        return dense_draft(path, options, lambda: (Block(b) for b in x.blocks(rows)), {})
    width = x.shape[1] if len(x.shape) == 2 else 0
    if not options.label.removeprefix("-").isdigit() or not -width <= int(options.label) < width:
        raise UsageError(f"--label {options.label}: {path} has shape {x.shape}; give the position of a column, or none")
    j = int(options.label) % width

    def blocks() -> Iterator[Block]:
        return (Block(np.delete(b, j, axis=1), b[:, j]) for b in x.blocks(rows))

    return dense_draft(path, options, blocks, {})


def _draft_npz(path: Path, options: Options) -> Draft:
    there = _members(path)
    x = _stored(path, _pick(path, there, X, ""))
    rows = block_rows(x.shape, x.dtype.itemsize)
    if options.label == "none":
        return dense_draft(path, options, lambda: (Block(b) for b in x.blocks(rows)), {})
    y = _stored(path, _pick(path, there, Y, options.label))
    if y.shape not in (x.shape[:1], (*x.shape[:1], 1)) or y.dtype.kind not in "fuibUS":
        raise DataError(
            f"{path}: '{y.member}' is {y.dtype} {y.shape} for {x.shape[0]} rows; one label per row is needed"
        )

    def blocks() -> Iterator[Block]:
        return (Block(a, b.reshape(-1)) for a, b in zip(x.blocks(rows), y.blocks(rows), strict=True))

    return dense_draft(path, options, blocks, {})


def _pick(path: Path, there: list[str], usual: tuple[str, ...], wanted: str) -> str:
    found = [name for name in ((wanted,) if wanted else usual) if name in there]
    if not found:
        tip = "" if usual is X else "; name it by --label, or use --label none"
        raise DataError(f"{path} has no {wanted or ' or '.join(usual)}, but {', '.join(there)}{tip}")
    return found[0]


def _members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is no NumPy archive ({error})") from None


def _stored(path: Path, member: str) -> Stored:
    try:
        with _open(path, member) as file:
            shape, fortran, dtype = _header(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is no NumPy file ({error})") from None
    if dtype.hasobject or not shape:
        raise DataError(f"{path}: array '{member or path.stem}' is {dtype} {shape}; plain numbers in rows are needed")
    return Stored(path, member, shape, dtype, fortran and len(shape) > 1)


def _open(path: Path, member: str) -> IO[bytes]:
    return zipfile.ZipFile(path).open(f"{member}.npy") if member else open(path, "rb")


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)
