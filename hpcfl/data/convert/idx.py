"""IDX (the format of MNIST), with or without gzip; the labels file is found by its name."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from hpcfl.data.convert._dense import Block, block_rows, dense_draft
from hpcfl.data.convert._options import Options
from hpcfl.data.convert._text import open_bytes
from hpcfl.data.writer import Draft
from hpcfl.errors import DataError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def matches(path: Path, options: Options) -> bool:
    """Return whether the file starts as an IDX file does: two zero bytes, a type, a count of dimensions."""
    if not path.is_file() or options.task == "ratings":
        return False
    try:
        with open_bytes(path) as file:
            magic = file.read(4)
    except (OSError, EOFError, zlib.error):
        return False
    return len(magic) == 4 and magic[:2] == b"\0\0" and magic[2] in TYPES and 1 <= magic[3] <= 8


def draft(path: Path, options: Options) -> Draft:
    """Read images and labels once; ``--label none`` leaves the labels out."""
    shape, dtype = _head(path)
    rows = block_rows(shape, dtype.itemsize)
    if options.label == "none":
        return dense_draft(path, options, lambda: (Block(x) for x in _blocks(path, rows)), {})
    labels = Path(options.label) if options.label else labels_file(path)
    count = _head(labels)[0]
    if count != shape[:1]:
        raise DataError(f"{labels}: shape {count} for the {shape[0]} rows of {path}; one label per row is needed")

    def blocks() -> Iterator[Block]:
        return (Block(x, y) for x, y in zip(_blocks(path, rows), _blocks(labels, rows), strict=True))

    return dense_draft(path, options, blocks, {})


def labels_file(path: Path) -> Path:
    """Return the labels file beside an images file: images -> labels, idx3 -> idx1, ``.gz`` or not."""
    name = path.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    for there in (path.with_name(name), path.with_name(name + ".gz")):
        if there.is_file() and there.name.removesuffix(".gz") != path.name.removesuffix(".gz"):
            return there
    raise DataError(f"{path}: no labels file {name} beside it; give one by --label, or use --label none")


def _head(path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    if not matches(path, Options()):
        raise DataError(f"{path}: no such IDX file; check the path")
    with open_bytes(path) as file:
        return _header(file, path)


def _header(file: IO[bytes], path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    magic = file.read(4)
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError(f"{path} is truncated in its header; copy it again")
    return struct.unpack(f">{magic[3]}I", sizes), np.dtype(TYPES[magic[2]])


def _blocks(path: Path, rows: int) -> Iterator[np.ndarray]:
    """Yield up to `rows` rows at a time, in native byte order."""
    try:
        with open_bytes(path) as file:
            shape, dtype = _header(file, path)
            item = dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))
            for start in range(0, shape[0], rows):
                m = min(rows, shape[0] - start)
                data = file.read(m * item)
                if len(data) < m * item:
                    raise EOFError(f"it ends in row {start + len(data) // max(item, 1)} of {shape[0]}")
                yield np.frombuffer(data, dtype).reshape(m, *shape[1:]).astype(dtype.newbyteorder("="), copy=False)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}); copy it again") from None
