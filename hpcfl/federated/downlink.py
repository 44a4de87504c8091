"""What the server tells all ranks, in one broadcast."""

from __future__ import annotations

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.comm.gate import Gate
from hpcfl.comm.window import shared

STATS = 4  # of a client: loss sum, loss weight, accepted, model
ACCEPTED, MODEL = 2, 3


class Downlink:
    """One buffer on each node, of which rank 0 writes the parts that follow; `send` fills the other nodes'.

    Rank 0 may write once all ranks have sent it their clients' messages: from then on nobody reads before `send`.

    Parameters
    ----------
    vectors, size : int
        Number and length of the vectors.
    dtype : dtype
    clients : int
        The largest cohort.
    comm : Comm

    Attributes
    ----------
    vectors : (vectors, size)
    rider : (2,) int64
        The sums of what rode on the messages; see `hpcfl.comm.agreement.Rider`.
    stats : (clients, STATS) float64
    """

    def __init__(self, vectors: int, size: int, dtype: np.typing.DTypeLike, clients: int, comm: Comm) -> None:
        self.comm, self.node = comm, comm.on_node()
        self.gate = Gate(self.node)
        self.leaders = comm.mpi.Split(0 if self.node.rank == 0 else 1, comm.rank)
        comm.family.append(self.leaders)
        used = vectors * size * np.dtype(dtype).itemsize
        self.head = -(-used // 8) * 8 + 16
        self.buffer = shared(self.node, (self.head + clients * STATS * 8,), np.uint8)
        self.vectors = self.buffer[:used].view(dtype).reshape(vectors, size)
        self.rider = self.buffer[self.head - 16 : self.head].view(np.int64)
        self.stats = self.buffer[self.head :].view(np.float64).reshape(clients, STATS)

    def send(self, clients: int = 0) -> None:
        """Bring it to all ranks, with the first rows of the stats (collective)."""
        told = self.buffer[: self.head + clients * STATS * 8]
        self.comm.count("model", told.nbytes if self.comm.rank == 0 else 0)
        if self.node.rank == 0 and self.leaders.size > 1:
            self.comm.spread(self.leaders, told)
        self.gate.meet()
