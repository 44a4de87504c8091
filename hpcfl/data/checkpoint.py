"""Checkpoints on disk: one file per rank that has state, and a manifest last, so that none is ever half there."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.data import h5, identity, manifest
from hpcfl.data.manifest import Manifest
from hpcfl.errors import DataError, HpcflError


@dataclass(frozen=True)
class Loaded:
    """A checkpoint, equal on every rank.

    Attributes
    ----------
    position : dict of str to int
    shared : dict of str to ndarray
        State that was equal on all ranks.
    own : dict of str to list of ndarray
        State that ranks held apart, in the order of the old ranks, under its key.
    attrs : dict
    """

    position: dict[str, int]
    shared: dict[str, np.ndarray]
    own: dict[str, list[np.ndarray]] = field(default_factory=dict)
    attrs: dict[str, Any] = field(default_factory=dict)


class Checkpoints:
    """The checkpoints of one run.

    Parameters
    ----------
    path : Path
        Folder that holds them, one folder each, numbered upwards.
    comm : Comm
    keep : int
        How many of the newest stay.
    """

    def __init__(self, path: Path, comm: Comm, keep: int) -> None:
        self.path, self.comm, self.keep = path, comm, max(keep, 1)
        self.damaged: set[str] = set()

    def save(
        self,
        position: Mapping[str, int],
        shared: Mapping[str, np.ndarray],
        own: Mapping[str, np.ndarray],
        attrs: Mapping[str, Any],
    ) -> bool:
        """Write a checkpoint (collective); on a failure say so, and leave the older ones valid.

        Parameters
        ----------
        position : dict of str to int
            Where training stands.
        shared : dict of str to ndarray
            State that is equal on all ranks; rank 0 writes it.
        own : dict of str to ndarray
            State of this rank, keyed by client, group or parameter range; may be empty.
        attrs : dict
            JSON values; ``job`` (its table) and ``data`` (a fingerprint) are what `load` compares.

        Returns
        -------
        bool
            Whether it was written.
        """
        folder = self.path / self._next()
        try:
            with self.comm.together(f"writing checkpoint {folder}"):
                mine = self._write(folder, shared, own)
            files = self._gather(mine)
            with self.comm.together(f"writing checkpoint {folder}"):
                if self.comm.rank == 0:
                    attrs = {"machine": identity.machine(), **attrs}
                    missing = [name for name in files if not (folder / name).exists()]
                    if missing:
                        raise DataError(f"{missing[0]} is not seen by rank 0; output must be on a shared file system")
                    Manifest(folder.name, self.comm.size, files, dict(position), attrs).write(folder)
        except HpcflError as error:
            self._say(f"no checkpoint was written, the older ones stay valid; training goes on: {error}")
            if self.comm.rank == 0:
                shutil.rmtree(folder, ignore_errors=True)
            return False
        if self.comm.rank == 0:
            self._prune()
        return True

    def load(self, job: Mapping[str, Any], data: str) -> Loaded | None:
        """Return the newest checkpoint that is whole, or None if there is none (collective).

        Raises
        ------
        UsageError
            It belongs to another job, other data or, in reproducible mode, another kind of CPU.
        """
        for name in self._candidates():
            try:
                with self.comm.together(f"reading checkpoint {name}"):
                    raw = manifest.read(self.path / name) if self.comm.rank == 0 else b""
                raw = self._spread(raw, 0)
                with self.comm.together(f"reading checkpoint {name}"):
                    found = manifest.parse(raw, name)
                arrays = self._read(found)
            except HpcflError as error:
                self.damaged.add(name)
                self._say(f"checkpoint {self.path / name} is passed over: {error}")
                continue
            with self.comm.together("comparing the checkpoint with the job"):
                identity.compare(found.attrs, job, data)
            return merge(found.position, arrays, found.attrs)
        return None

    def _write(self, folder: Path, shared: Mapping[str, np.ndarray], own: Mapping[str, np.ndarray]) -> dict[str, str]:
        """Write this rank's file, if it has state, and return {its name: its SHA-256} (local)."""
        arrays = part(self.comm, shared, own)
        if not arrays:
            return {}
        folder.mkdir(parents=True, exist_ok=True)
        name = f"rank-{self.comm.rank:06}.h5"
        h5.write_atomic(folder / name, arrays, {})
        h5.sync(self.path)
        return {name: manifest.digest_of(folder / name)}

    def _gather(self, mine: dict[str, str]) -> dict[str, str]:
        """Return the entries of all ranks, on all ranks."""
        text = "".join(f"{name} {sha}\n" for name, sha in mine.items()).encode()
        lines = self.comm.allgatherv(np.frombuffer(text, np.uint8), "checkpoint").tobytes().decode().splitlines()
        return dict(line.split(" ") for line in lines)

    def _read(self, found: Manifest) -> list[dict[str, np.ndarray]]:
        """Return the arrays of each file; every file is read and checked by one rank, for all."""
        names, size = list(found.files), self.comm.size
        raw: dict[str, bytes] = {}
        with self.comm.together(f"reading checkpoint {found.folder}"):
            for name in names[self.comm.rank :: size]:
                raw[name] = manifest.read_file(self.path / found.folder, name, found.files[name])
        return [h5.parse(self._spread(raw.get(name, b""), i % size)) for i, name in enumerate(names)]

    def _spread(self, data: bytes, root: int) -> bytes:
        """Return the bytes of rank `root`, on all ranks."""
        length = self.comm.bcast(np.array([len(data)], np.int64), root, "checkpoint")
        mine = self.comm.rank == root
        buffer = np.frombuffer(data, np.uint8).copy() if mine else np.empty(int(length[0]), np.uint8)
        return self.comm.bcast(buffer, root, "checkpoint").tobytes()

    def _next(self) -> str:
        """Return the name of the checkpoint to come: above every number that is there."""
        last = max((int(name) for name in self._names()), default=0) if self.comm.rank == 0 else 0
        return f"{int(self.comm.bcast(np.array([last + 1], np.int64), 0, 'checkpoint')[0]):08}"

    def _candidates(self) -> list[str]:
        """Return the folders that rank 0 sees, newest first, on all ranks."""
        text = " ".join(self._names()).encode() if self.comm.rank == 0 else b""
        return self._spread(text, 0).decode().split()

    def _names(self) -> list[str]:
        found = [p.name for p in self.path.iterdir() if p.name.isdigit()] if self.path.is_dir() else []
        return sorted(found, key=int, reverse=True)

    def _prune(self) -> None:
        """Remove what is damaged, unfinished or older than the newest `keep` (rank 0)."""
        whole = [n for n in self._names() if n not in self.damaged and (self.path / n / manifest.NAME).exists()]
        for name in set(self._names()) - set(whole[: self.keep]):
            (self.path / name / manifest.NAME).unlink(missing_ok=True)  # first, so that no half folder looks whole
            shutil.rmtree(self.path / name, ignore_errors=True)

    def _say(self, text: str) -> None:
        if self.comm.rank == 0:
            print(f"hpcfl: {text}", file=sys.stderr, flush=True)


def part(comm: Comm, shared: Mapping[str, np.ndarray], own: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what this rank contributes to the state of all: its own arrays, and on rank 0 the shared ones."""
    arrays = {f"own/{name}": a for name, a in own.items()}
    return arrays | ({f"shared/{name}": a for name, a in shared.items()} if comm.rank == 0 else {})


def merge(
    position: Mapping[str, int], parts: list[dict[str, np.ndarray]], attrs: Mapping[str, Any] | None = None
) -> Loaded:
    """Return the state of all from what each rank contributed."""
    shared: dict[str, np.ndarray] = {}
    own: dict[str, list[np.ndarray]] = {}
    for one in parts:
        for name, array in one.items():
            kind, _, key = name.partition("/")
            if kind == "shared":
                shared[key] = array
            else:
                own.setdefault(key, []).append(array)
    return Loaded(dict(position), shared, own, json.loads(json.dumps(attrs or {})))
