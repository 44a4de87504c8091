"""Which rank of a node keeps which coordinates of a sum."""

from __future__ import annotations

from typing import NamedTuple

from hpcfl.comm.communicator import Comm
from hpcfl.comm.gate import Gate


class Slices(NamedTuple):
    """A vector cut among the ranks of a node.

    Attributes
    ----------
    node : Comm
    gate : Gate
        Where the ranks meet when each is done with its slice.
    size : int
        Length of the vector.
    """

    node: Comm
    gate: Gate
    size: int

    @property
    def bounds(self) -> list[int]:
        """Where each rank's slice starts, and the end."""
        return [self.size * r // self.node.size for r in range(self.node.size + 1)]

    @property
    def mine(self) -> slice:
        """Return this rank's slice."""
        return slice(*self.bounds[self.node.rank : self.node.rank + 2])
