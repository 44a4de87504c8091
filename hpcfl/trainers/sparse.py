"""Steps that cost what a batch's non-zeros need, not what the parameters do: for CSR rows with very many features.

Each rank writes its gradient as sorted columns and their values. On one node messages and parameters lie in memory that
the ranks share: each adds up and moves a part of the columns. Ranks on several nodes exchange messages and move all.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hpcfl.comm.communicator import Comm, alone
from hpcfl.comm.gate import Gate
from hpcfl.comm.window import shared
from hpcfl.config import Job
from hpcfl.data.batch import Batch
from hpcfl.data.shard import Shards
from hpcfl.kernels import columns as kernels
from hpcfl.kernels import updates
from hpcfl.kernels.columns import Gradient
from hpcfl.kernels.sparse import loss_grad, loss_grad_at
from hpcfl.trainers.gradients import ERROR, LOSS, STOP, TALLY, WEIGHT, Local, Sums
from hpcfl.trainers.objective import Objective
from hpcfl.trainers.stepper import Stepper

SHARE = 4  # a batch has fewer non-zeros than one in so many features


def fits(job: Job, objective: Objective, shards: Shards, rows: int) -> bool:
    """Return whether batches of so many rows have few non-zeros, and steps move nothing else; equal on all ranks."""
    if not objective.sparse or shards.plan.groups or objective.rule.l2 or job.optimizer.clip_norm:
        return False
    if objective.rule.loss_grad(True) is not loss_grad:  # of a model in the user's own file
        return False
    if getattr(job.optimizer.rule, "kernel_at", lambda: None)() is None:
        return False
    return shards.table.values / shards.table.rows * rows < objective.features / SHARE


class SparseSums(Sums):
    """Gradients at some columns; `total` is the tally alone.

    Parameters
    ----------
    local : Local
    comm : Comm
    near : bool, optional
        Whether all ranks share memory; found out unless given.

    Attributes
    ----------
    team : Comm
        The ranks that share parameters.
    columns, values : (n,) int32, (n, k) float
        What this rank of the team moves, to be read until the next `add`.
    """

    def __init__(self, local: Local, comm: Comm, near: bool | None = None) -> None:
        self.local, self.comm, node = local, comm, comm.on_node()
        self.near = comm.max(node.size) == comm.size if near is None else near
        self.team = node if self.near else alone()
        self.gate = Gate(self.team)
        self.k, self.room = int(local.spec[3]), int(local.spec[2]) + 1  # of columns: features, then biases
        self.held, self.error = kernels.empty(self.room), None
        self.messages, self.mine = self._near() if self.near else (self._gradient(1), self._gradient(self.room))
        self.sum = self.mine if comm.size == 1 else self._gradient(self.room)
        self.heads = shared(self.team, (comm.size, TALLY + 1), np.float64)  # a tally and the number of columns
        self.head, self.total = self.heads[comm.rank], np.zeros(TALLY)
        self.starts, self.counts = self.room * np.arange(comm.size), np.zeros(comm.size, np.int64)
        self.columns, self.values = self.sum.columns[:0], self.sum.values[:0].reshape(0, self.k)

    def _near(self) -> tuple[Gradient, Gradient]:
        """Return the messages of all ranks and this one's: room for all columns, memory is taken by what is written."""
        many, kind = self.comm.size * self.room, self.local.work.dtype
        every = Gradient(shared(self.team, (many,), np.int32), shared(self.team, (many * self.k,), kind))
        a, b = self.comm.rank * self.room, (self.comm.rank + 1) * self.room
        return every, Gradient(every.columns[a:b], every.values[a * self.k : b * self.k])

    def _gradient(self, room: int) -> Gradient:
        return Gradient(np.empty(room, np.int32), np.empty(room * self.k, self.local.work.dtype))

    def warm(self, w: np.ndarray, vector: np.ndarray) -> None:
        """See `Sums.warm`; nothing is written into `vector`."""
        self._write(w, np.zeros(1, np.int32))
        none, some = np.zeros(1, np.int64), self._gradient(1)
        kernels.merge(some, none, none, 0, 1, self.held, some)

    def _write(self, w: np.ndarray, rows: np.ndarray) -> None:
        local, head = self.local, self.head
        head[LOSS], head[TALLY] = loss_grad_at(w, local.x, local.y, rows, local.spec, local.work, self.held, self.mine)
        head[WEIGHT], head[ERROR] = local.weight(rows), 0

    def add(self, w: np.ndarray, batch: Batch, stop: bool = False) -> None:
        """See `Sums.add`."""
        self.error = None
        try:
            if batch.error:
                raise batch.error
            self._write(w, batch.rows)
        except Exception as error:
            self.error, self.head[:], self.head[ERROR] = error, 0, 1
        self.head[STOP] = stop
        n = self._exchange(int(self.head[TALLY]))
        np.add.reduce(self.heads[:, :TALLY], axis=0, out=self.total)
        self.columns, self.values = self.sum.columns[:n], self.sum.values[: n * self.k].reshape(n, self.k)

    def _exchange(self, n: int) -> int:
        """Add up the messages of all ranks, this one's of `n` columns, and return the number of columns."""
        if self.comm.size == 1:
            return n
        if self.near:
            self.comm.count("gradient", self.head.nbytes + n * (4 + self.k * self.mine.values.itemsize))
            self.gate.meet()  # all messages are written
            self.counts[:] = self.heads[:, TALLY]
        else:
            self._send(n)
        part = self.team.rank, self.team.size
        return int(kernels.merge(self.messages, self.starts, self.counts, *part, self.held, self.sum))

    def _send(self, n: int) -> None:
        heads, size = self.heads.reshape(-1), self.head.size
        self.comm.share(self.head.copy(), heads, np.full(self.comm.size, size), "gradient")
        self.counts[:] = self.heads[:, TALLY]
        self.starts[1:] = np.cumsum(self.counts)[:-1]
        room = int(self.counts.sum())
        if room > self.messages.columns.size:
            self.messages = self._gradient(2 * room)
        self.comm.share(self.mine.columns[:n], self.messages.columns[:room], self.counts, "gradient")
        k = self.k
        self.comm.share(self.mine.values[: n * k], self.messages.values[: room * k], self.counts * k, "gradient")


class SparseStepper(Stepper):
    """Moves the parameters that have a gradient; they and the optimizer's state lie in memory that a team shares.

    Parameters
    ----------
    gradient : SparseSums
    job, objective, shards, steps, comm
        As in `Stepper`.
    """

    def __init__(
        self, gradient: SparseSums, job: Job, objective: Objective, shards: Shards, steps: int, comm: Comm
    ) -> None:
        self.gradient = gradient
        super().__init__(job, objective, shards, steps, comm)
        self.kernel = self.rule.kernel_at()

    def room(self, objective: Objective, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """See `Stepper.room` (collective)."""
        team = self.gradient.team
        if team.size == 1:
            return super().room(objective, seed)
        whole = shared(team, (1 + self.rule.slots, objective.layout.size), objective.dtype)
        if team.rank == 0:
            objective.start(seed, whole[0])
        team.barrier()
        return whole[0], whole[1:]

    def warm(self, gradient: Any) -> None:
        """See `Stepper.warm`."""
        gradient.warm(self.w, self.w[:0])
        self._move(self.w, self.w[:0], self.state, 0.0, 1)
        updates.norm(self.w)

    def step(self, vector: np.ndarray, failed: Exception | None = None) -> None:
        """See `Stepper.step`; `vector` is the tally alone."""
        super().step(vector, failed)
        if self.gradient.team.size > 1:
            self.gradient.gate.meet()  # all have moved what is theirs, and read the messages

    def _move(
        self, w: np.ndarray, vector: np.ndarray, state: np.ndarray, rate: float, t: int, scale: float = 1.0
    ) -> float:
        self.kernel(w, self.gradient.columns, self.gradient.values, scale, state, self.hyper, rate, t)
        return 0.0
