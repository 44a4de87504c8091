"""A barrier for the ranks of a node."""

from __future__ import annotations

import numpy as np

from hpcfl.comm import heart
from hpcfl.comm.communicator import Comm
from hpcfl.comm.window import shared
from hpcfl.kernels import gate

LINE = 16  # words: two cache lines, which some CPUs fetch together


class Gate:
    """Waits for the other ranks of a node in memory that they share: 0.3 us, where MPICH's barrier takes 2.

    Where ranks are to outlive others it is MPI's barrier, in which a death is noticed.

    Parameters
    ----------
    node : Comm
        Ranks that share memory.

    Attributes
    ----------
    words : (rounds, ranks, LINE) int64
        What `kernels.gate` writes.
    turn : int
        How often they have met.
    works : bool
        Whether they meet in memory.
    """

    def __init__(self, node: Comm) -> None:
        self.node, self.turn = node, 0
        rounds = (node.size - 1).bit_length()
        self.words, self.works = shared(node, (rounds, node.size, LINE), np.int64), not heart.enabled()
        with node.node_first("compiling a kernel"):
            gate.meet(self.words[:0], 0, 0)

    def meet(self) -> None:
        """Wait for all ranks; what they wrote before can be read after (collective)."""
        self.wait(self.turn + 1)
        self.turn += 1

    def wait(self, turn: int) -> None:
        """Wait until all have met so often, the next time at most (collective); a kernel may have waited before."""
        if not self.works:
            self.node.barrier()
            return
        while not gate.meet(self.words, self.node.rank, turn):
            self.node.mpi.Iprobe()  # signals are handled, and messages that MPI still has to send go on
