"""Client vectors that outlive a round: one mapped file per node, so that any of its ranks may run a client."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.federated.bank import Bank


class Kept:
    """The kept vectors of all clients of a node, (clients, vectors, P) in a file without a name.

    A client's rows come into being at their first use; pages that no client touched take no
    memory and no disk. The file goes when the last rank closes it.

    Parameters
    ----------
    keeps : dict
        Name -> "zeros" or "w", as a strategy says.
    clients, size : int
    dtype : dtype
    node : Comm
        The ranks that share the file (collective).
    """

    def __init__(
        self, keeps: Mapping[str, str], clients: int, size: int, dtype: np.typing.DTypeLike, node: Comm
    ) -> None:
        self.keeps, self.node = dict(keeps), node
        self.seen = np.empty(0, np.uint8)
        if self.keeps:
            path = _path(node)
            shape = (clients, len(self.keeps), size)
            if node.rank == 0:
                np.memmap(path, dtype, "w+", shape=shape)
                np.memmap(path + ".seen", np.uint8, "w+", shape=(clients,))
            node.barrier()
            self.file = np.memmap(path, dtype, "r+", shape=shape)
            self.seen = np.memmap(path + ".seen", np.uint8, "r+", shape=(clients,))
            node.barrier()
            if node.rank == 0:
                os.unlink(path)
                os.unlink(path + ".seen")

    def load(self, ids: np.ndarray, bank: Bank) -> None:
        """Fill the bank with the kept vectors of the clients `ids`."""
        for k, (name, first) in enumerate(self.keeps.items()):
            bank[name] = np.zeros_like(bank["w"]) if first == "zeros" else bank["w"]
            old = self.seen[ids] > 0
            bank[name][old] = self.file[ids[old], k]

    def store(self, ids: np.ndarray, accepted: np.ndarray, bank: Bank) -> None:
        """Keep the vectors of the `accepted` ones of the clients `ids`; the others roll back."""
        for k, name in enumerate(self.keeps):
            self.file[ids[accepted], k] = bank[name][accepted]
        if self.keeps:
            self.seen[ids[accepted]] = 1

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what is kept on this node, from its first rank: the clients seen, and their vectors."""
        if not self.keeps or self.node.rank != 0:
            return {}
        ids = np.flatnonzero(self.seen)
        return {"clients": ids, "kept": self.file[ids]}

    def restore(self, own: Mapping[str, list[np.ndarray]]) -> None:
        """Take back what `arrays` gave on the ranks of an earlier run."""
        if self.keeps and self.node.rank == 0:
            for ids, kept in zip(own["clients"], own["kept"], strict=True):
                self.file[ids], self.seen[ids] = kept, 1
        self.node.barrier()


def _path(node: Comm) -> str:
    """Make a file on the node's first rank and tell its path to the others (collective)."""
    name = np.zeros(4096, np.uint8)
    if node.rank == 0:
        handle, path = tempfile.mkstemp(prefix="hpcfl-clients-")
        os.close(handle)
        name[: len(path.encode())] = np.frombuffer(path.encode(), np.uint8)
    return node.bcast(name, purpose="state").tobytes().rstrip(b"\0").decode()
