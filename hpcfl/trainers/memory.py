"""Copies of a run's state in memory: each rank's part lies with it and with the next rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.data import h5
from hpcfl.data.checkpoint import Loaded, merge


@dataclass(frozen=True)
class Copy:
    """The state at one time.

    Attributes
    ----------
    number : int
        Counts the copies; the same on every rank.
    position : dict of str to int
    owners : tuple of int
        Original numbers of the ranks that had a part.
    parts : dict of int to bytes
        The parts that lie here, by original rank.
    """

    number: int
    position: Mapping[str, int]
    owners: tuple[int, ...]
    parts: Mapping[int, bytes]


class Memory:
    """The last two copies, so that one is whole if a rank dies while the other is made.

    Attributes
    ----------
    fingerprint : str
        Of the data, as it was when all ranks were there.
    """

    def __init__(self, comm: Comm) -> None:
        self.comm, self.fingerprint = comm, ""
        self.copies: list[Copy] = []

    def hold(self, position: Mapping[str, int], parts: Mapping[str, np.ndarray]) -> None:
        """Copy this rank's arrays here and to the next rank (collective)."""
        mine = h5.image(parts, {})
        theirs = self.comm.ring(np.frombuffer(mine, np.uint8), "memory").tobytes()
        before = int(self.comm.origin[self.comm.rank - 1])
        number = self.copies[-1].number + 1 if self.copies else 1
        held = {before: theirs, self.comm.born: mine}
        self.copies = [*self.copies[-1:], Copy(number, dict(position), tuple(self.comm.origin.tolist()), held)]

    def recall(self) -> Loaded | None:
        """Return the newest copy that all ranks have, or None if a part of it is lost (collective)."""
        newest = self.copies[-1].number if self.copies else 0
        number = -int(self.comm.max(-newest))
        if number == 0:
            return None
        copy = next(one for one in self.copies if one.number == number)
        here = self.comm.allgather(np.array([owner in copy.parts for owner in copy.owners]), "memory")
        if not here.any(0).all():
            self.copies = []
            return None
        parts = {o: self._spread(copy.parts.get(o, b""), int(here[:, i].argmax())) for i, o in enumerate(copy.owners)}
        self.copies = [Copy(number, copy.position, copy.owners, parts)]
        return merge(copy.position, [h5.parse(part) for part in parts.values()])

    def _spread(self, part: bytes, root: int) -> bytes:
        size = self.comm.bcast(np.array([len(part)]), root, "memory")
        mine = self.comm.rank == root
        buffer = np.frombuffer(part, np.uint8).copy() if mine else np.empty(int(size[0]), np.uint8)
        return self.comm.bcast(buffer, root, "memory").tobytes()
