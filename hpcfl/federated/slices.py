"""Vectors of many clients, dealt to ranks by coordinate: no rank holds all of them."""

from __future__ import annotations

import numpy as np

from hpcfl.comm.communicator import Comm

BLOCKS = 64  # runs of coordinates, whatever the ranks, whose sums are added in order


class Slices:
    """Each rank's run of the coordinates of vectors of one length.

    Parameters
    ----------
    length : int
        Coordinates P.
    comm : Comm
    """

    def __init__(self, length: int, comm: Comm) -> None:
        self.comm = comm
        count = min(BLOCKS, length)
        bounds = length * np.arange(count + 1) // count
        owned = count * np.arange(comm.size + 1) // comm.size
        self.cuts = bounds[owned]
        self.starts = bounds[owned[comm.rank] : owned[comm.rank + 1]] - self.cuts[comm.rank]

    def spread(self, v: np.ndarray, order: np.ndarray) -> np.ndarray:
        """Return this rank's coordinates of all clients, (m, p) (collective).

        Parameters
        ----------
        v : (c, P)
            Vectors of this rank's clients.
        order : (m,) int64
            Place of each client in the cohort, rank after rank.
        """
        pieces = [np.ascontiguousarray(v[:, a:b]) for a, b in zip(self.cuts[:-1], self.cuts[1:], strict=True)]
        a, b = self.cuts[self.comm.rank : self.comm.rank + 2]
        out = np.empty((order.size, b - a), v.dtype)
        out[order] = np.concatenate(self.comm.alltoallv(pieces, "updates")).reshape(order.size, b - a)
        return out

    def squares(self, x: np.ndarray) -> np.ndarray:
        """Return the sum of squares over all coordinates of each row of `x` (m, p), (m,) (collective)."""
        own = np.empty((0, len(x)))
        if self.starts.size:
            own = np.add.reduceat(np.square(x), self.starts, axis=1).T
        return np.asarray(self.comm.allgatherv(own, "lengths").reshape(-1, len(x)).sum(axis=0))

    def own(self, v: np.ndarray) -> np.ndarray:
        """Return this rank's coordinates of `v` (P,)."""
        return v[self.cuts[self.comm.rank] : self.cuts[self.comm.rank + 1]]

    def join(self, part: np.ndarray) -> np.ndarray:
        """Return the whole vector (P,) of the ranks' parts (collective)."""
        return self.comm.allgatherv(part, "updates")
