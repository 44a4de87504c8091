"""Client vectors that outlive a round: in files beside the run, so that memory knows nothing of how many there are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.comm.window import shared
from hpcfl.federated.bank import Bank
from hpcfl.federated.live import Live
from hpcfl.federated.slots import SlotFiles, starts


class Kept:
    """The kept vectors of all clients of a node.

    A client's vectors fill a slot in the file of the rank that ran it last. A slot that a checkpoint
    needs is never written again: the client moves to another one. So a checkpoint is a table of slots,
    once what is new has reached the disk, and going back to it is exact. A client that is rejected is
    not written, and stays what it was. Where all vectors fit into `memory` they live there, and what is
    new is written when a checkpoint asks for it.

    Parameters
    ----------
    keeps : dict
        Name -> "zeros" or "w", as a strategy says.
    clients : int
    like : (P,) array
        A vector of the same length and dtype.
    comm : Comm
    path : Path
        Folder for the files.
    memory : int
        Bytes of the files that a node may hold in memory.
    checkpoints : int
        How many checkpoints are kept.
    """

    def __init__(
        self,
        keeps: Mapping[str, str],
        clients: int,
        like: np.ndarray,
        comm: Comm,
        path: Path,
        memory: int,
        checkpoints: int,
    ) -> None:
        self.keeps, self.comm, self.node, self.checkpoints = dict(keeps), comm, comm.on_node(), checkpoints
        self.size, self.kind = like.size, like.dtype
        self.pins: list[np.ndarray] = []  # of checkpoints
        self.recent: list[np.ndarray] = []  # of the last two times that the state was copied to memory
        self.pinned: set[int] = set()
        self.free: list[int] = []
        self.used = 0
        if self.keeps:
            self.at = shared(self.node, (clients, 2), np.int64)  # rank + 1 (0: nowhere) and slot of each client
            last = np.array([max(starts(path), default=0)], np.int64)
            start = int(comm.bcast(last, purpose="state")[0]) + 1
            width = len(self.keeps) * like.nbytes
            self.live = Live(self.node, len(keeps), clients, like) if clients * width <= memory else None
            with comm.together("making the files of client state"):
                self.files = SlotFiles(path, start, comm.rank, width, max(memory // self.node.size, 1))
            here = self.node.allgather(np.array([comm.rank]), "state")[:, 0].tolist()
            with comm.together("opening the files of client state"):
                self.handles = np.full(comm.size + 1, -1, np.int32)  # at rank + 1
                for rank in here:
                    self.handles[rank + 1] = self.files.open(start, rank)

    def load(self, ids: np.ndarray, bank: Bank) -> None:
        """Fill the bank with the kept vectors of the clients `ids`."""
        if not self.keeps:
            return
        new = self.at[ids, 0] == 0
        if self.live:
            new &= ~self.live.late[ids]
        for part, (name, first) in enumerate(self.keeps.items()):
            rows = bank.make(name)
            if self.live:
                self.live.load(ids, part, rows)
            else:
                self.files.read(self.handles[self.at[ids, 0]], self.at[ids, 1], part, rows)
            if new.any():
                rows[new] = 0 if first == "zeros" else np.broadcast_to(bank["w"], rows.shape)[new]

    def store(self, ids: np.ndarray, accepted: np.ndarray, bank: Bank) -> None:
        """Keep the vectors of the `accepted` ones of the clients `ids`; the others stay what they were."""
        if not self.keeps:
            return
        whole = bool(accepted.all())
        mine, vectors = ids[accepted], [bank[name] if whole else bank[name][accepted] for name in self.keeps]
        if self.live is None:
            self._write(mine, vectors)
            return
        for part, rows in enumerate(vectors):
            self.live.store(mine, part, rows)

    def arrays(self) -> dict[str, np.ndarray]:
        """Bring what is new to the disk; return the node's table of slots, from its first rank (collective)."""
        if not self.keeps:
            return {}
        with self.comm.together("writing what clients keep"):
            if self.live:
                late = self.live.share()
                self._write(late, [np.ascontiguousarray(rows[late]) for rows in self.live.rows])
            self.files.sync()
        if self.live:
            self.live.late[:] = False
        ids = np.flatnonzero(self.at[:, 0]) if self.node.rank == 0 else np.empty(0, np.int64)
        slots = np.column_stack([np.full(ids.size, self.files.start), self.at[ids] - [1, 0]])
        return {"clients": ids, "slots": slots} if ids.size else {}

    def settle(self, written: bool) -> None:
        """Take note that what `arrays` gave is somewhere now, and whether in a checkpoint (collective)."""
        if not self.keeps:
            return
        self.recent = [*self.recent, self.at.copy()][-2:]
        if written:
            self.pins = [*self.pins, self.recent[-1]][-self.checkpoints :]
        self.pinned = {slot for table in (*self.pins, *self.recent) for slot in self._own(table).tolist()}
        self.node.barrier()  # before anybody moves a client
        if self.comm.rank == 0 and len(self.pins) == self.checkpoints:
            self.files.keep_only(self.files.start)

    def restore(self, own: Mapping[str, list[np.ndarray]], home: np.ndarray) -> None:
        """Take back what `arrays` gave on the ranks of an earlier start (collective).

        Parameters
        ----------
        own : dict of lists
        home : (clients,) bool
            Whose vectors belong to this node.
        """
        if not self.keeps:
            return
        vectors = [np.empty((1, self.size), self.kind) for _ in self.keeps]
        with self.comm.together("going on with the clients' state"):
            for ids, slots in zip(own.get("clients", []), own.get("slots", []), strict=True):
                mine = np.flatnonzero(home[ids])[self.node.rank :: self.node.size]
                for client, (start, rank, slot) in zip(ids[mine, None], slots[mine].tolist(), strict=True):
                    file = np.array([self.files.open(start, rank)], np.int32)
                    for part, rows in enumerate(vectors):
                        self.files.read(file, np.array([slot]), part, rows)
                        if self.live:
                            self.live.store(client, part, rows)
                    self._write(client, vectors)
        if self.live:
            self.live.late[:] = False

    def _own(self, table: np.ndarray) -> np.ndarray:
        """Return the slots of this rank's file that a table of slots needs."""
        return np.asarray(table[table[:, 0] == self.comm.rank + 1, 1])

    def _write(self, ids: np.ndarray, vectors: list[np.ndarray]) -> None:
        """Write the vectors (len(ids), P) of the clients `ids`."""
        mine = self.comm.rank + 1
        for client, (holder, slot) in zip(ids.tolist(), self.at[ids].tolist(), strict=True):
            if holder != mine or slot in self.pinned:
                self.at[client] = mine, self._slot()
        for part, rows in enumerate(vectors):
            self.files.write(self.at[ids, 1], part, rows)

    def _slot(self) -> int:
        """Return a slot of this rank's file that neither a client nor a checkpoint needs."""
        if not self.free:
            needed = [self._own(table) for table in (self.at, *self.pins, *self.recent)]
            self.free = np.setdiff1d(np.arange(self.used), np.concatenate(needed)).tolist()
        if not self.free:
            self.free, self.used = [self.used], self.used + 1
        return self.free.pop()
