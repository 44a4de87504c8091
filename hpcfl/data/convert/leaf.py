"""LEAF federated data sets: JSON files of users and their rows; ``client`` says whose a row is.

A folder holds the files, or ``train`` and ``test`` that hold them; then ``test`` says which part a row is of.

Memory: one JSON file at a time, as Python objects (about 10 times its size), and the user names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hpcfl.data.convert._dense import Block, dense_draft
from hpcfl.data.convert._options import Options
from hpcfl.data.writer import Draft
from hpcfl.errors import DataError


def matches(path: Path, options: Options) -> bool:
    """Return whether `path` is a folder or ends with ``.json``."""
    return (path.is_dir() or path.suffix == ".json") and options.task != "ratings"


def draft(path: Path, options: Options) -> Draft:
    """Read all files once; clients are numbered in the order of their names, which are stored as ``client_id``."""
    options.refuse_label(path)
    files, split = _files(path)
    clients: dict[str, int] = {}

    def blocks() -> Iterator[Block]:
        for file in files:
            for user, x, y in _users(file):
                client = clients.setdefault(user, len(clients))
                rest = {"client": np.full(len(x), client, np.int64)}
                if split:
                    rest["test"] = np.full(len(x), file.parent.name == "test", np.uint8)
                yield Block(x, y if options.label != "none" else None, rest)

    made = dense_draft(path, options, blocks, {})
    names = np.array(sorted(clients), object)
    clients |= {name: i for i, name in enumerate(names)}  # the blocks are read again when they are written
    columns = {**made.columns, "client_id": ((len(names),), names.dtype)}

    def all_blocks() -> Iterator[Any]:
        yield from made.blocks()
        yield {"client_id": names}

    notes = (*made.notes, f"clients: {len(names)}", *(["train and test are one file, see its column 'test'"] * split))
    return replace(made, columns=columns, blocks=all_blocks, notes=notes)


def _files(path: Path) -> tuple[list[Path], bool]:
    """Return the JSON files, and whether they lie in ``train`` and ``test``."""
    split = path.is_dir() and (path / "train").is_dir() and (path / "test").is_dir()
    folders = [path / "train", path / "test"] if split else [path]
    files = [file for f in folders for file in (sorted(f.glob("*.json")) if f.is_dir() else [f])]
    if not files:
        raise DataError(f"{path}: no JSON file in this folder, nor in train/ and test/ of it")
    return files, split


def _users(file: Path) -> Iterator[tuple[str, np.ndarray, list[Any]]]:
    """Yield (user, x (m, ...), labels) of one file; users without rows are passed over."""
    try:
        content = json.loads(file.read_text("utf-8"))
        users, data = content["users"], content["user_data"]
    except json.JSONDecodeError as error:
        raise DataError(f"{file}, line {error.lineno}: no JSON ({error.msg}); is the file whole?") from None
    except (UnicodeDecodeError, KeyError, TypeError) as error:
        raise DataError(f"{file}: no LEAF file ({error!r}); 'users' and 'user_data' are needed") from None
    for user in users:
        try:
            x, y = data[user]["x"], data[user]["y"]
            values = np.array(x)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{file}, user '{user}': rows cannot be read ({error!r})") from None
        if len(x) != len(y) or (len(y) and (values.ndim < 2 or values.dtype.kind not in "fiub")):
            raise DataError(
                f"{file}, user '{user}': {len(y)} labels for x of {values.dtype} {values.shape}; numbers are needed"
            )
        if len(y):
            yield str(user), values.astype(np.float64), y
