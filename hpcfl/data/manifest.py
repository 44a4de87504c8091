"""The manifest of a checkpoint: which files, of which hash, at which place; it vouches for itself too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from hpcfl.data import h5
from hpcfl.errors import DataError

NAME = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint consists of.

    Attributes
    ----------
    folder : str
        Name of the folder that it was written for.
    ranks : int
        Ranks that wrote it.
    files : dict of str to str
        File name -> SHA-256 of its bytes.
    position : dict of str to int
        Where training stood.
    attrs : dict
        The job, fingerprints, and what the trainer adds: JSON values.
    """

    folder: str
    ranks: int
    files: Mapping[str, str]
    position: Mapping[str, int]
    attrs: Mapping[str, Any]

    def write(self, folder: Path) -> None:
        """Write it into `folder`; from then on the checkpoint is there."""
        h5.put(folder / NAME, self.dump())

    def dump(self) -> bytes:
        """Return its bytes: JSON, with the SHA-256 of all the rest."""
        body = asdict(self)
        return json.dumps(body | {"sha256": digest(canonical(body))}, indent=1).encode()


def parse(data: bytes, folder: str) -> Manifest:
    """Return the manifest whose bytes are `data`, found in `folder`.

    Raises
    ------
    DataError
        It is damaged, or was written for another folder.
    """
    try:
        body = json.loads(data)
        stored = body.pop("sha256")
        found = Manifest(**body)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{NAME} is damaged") from None
    if digest(canonical(body)) != stored:
        raise DataError(f"{NAME} is damaged: its SHA-256 differs")
    if found.folder != folder:
        raise DataError(f"{NAME} belongs to checkpoint {found.folder}")
    return found


def read(folder: Path) -> bytes:
    """Return the bytes of the manifest in `folder`.

    Raises
    ------
    DataError
        There is none, or it cannot be read.
    """
    try:
        return (folder / NAME).read_bytes()
    except FileNotFoundError:
        raise DataError(f"no {NAME}: it was not finished") from None
    except OSError as error:
        raise DataError(f"{NAME} cannot be read ({error.strerror})") from None


def read_file(folder: Path, name: str, expected: str) -> bytes:
    """Return the bytes of a file of a checkpoint.

    Raises
    ------
    DataError
        It is missing, or its SHA-256 is not the `expected` one.
    """
    try:
        data = (folder / name).read_bytes()
    except OSError as error:
        raise DataError(f"{name} cannot be read ({error.strerror})") from None
    if digest(data) != expected:
        raise DataError(f"{name} is damaged: its SHA-256 differs from the manifest's")
    return data


def digest(data: bytes) -> str:
    """Return the SHA-256 of `data` in hexadecimal."""
    return sha256(data).hexdigest()


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def canonical(body: Mapping[str, Any]) -> bytes:
    """Return the one spelling of `body` that is hashed."""
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
