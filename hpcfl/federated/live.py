"""The kept vectors of a node's clients in memory that its ranks share, where all of them fit: files hold them later."""

from __future__ import annotations

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.comm.window import shared


class Live:
    """One row a client for each part.

    Parameters
    ----------
    node : Comm
    parts, clients : int
    like : (P,) array

    Attributes
    ----------
    late : (clients,) bool
        Whose newest vectors no file holds.
    """

    def __init__(self, node: Comm, parts: int, clients: int, like: np.ndarray) -> None:
        self.node, self.rows = node, shared(node, (parts, clients, like.size), like.dtype)
        self.late = shared(node, (clients,), np.bool_)

    def load(self, ids: np.ndarray, part: int, out: np.ndarray) -> None:
        """Write the vectors of the clients `ids` into `out` (len(ids), P), zeros where there are none."""
        np.take(self.rows[part], ids, axis=0, out=out, mode="clip")  # the only mode that writes into `out` itself

    def store(self, ids: np.ndarray, part: int, rows: np.ndarray) -> None:
        """Keep the vectors (len(ids), P) of the clients `ids`."""
        self.rows[part, ids] = rows
        self.late[ids] = True

    def share(self) -> np.ndarray:
        """Return the late clients that this rank brings to its file."""
        return np.flatnonzero(self.late)[self.node.rank :: self.node.size]
