"""Parameters that a node has once: each of its ranks moves a slice of them, and keeps the optimizer's state of that.

This is the first stage of ZeRO (Rajbhandari et al. 2020), of which the gathering is a copy in shared memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.comm.slices import Slices
from hpcfl.comm.window import shared
from hpcfl.config import Job
from hpcfl.data.shard import Shards
from hpcfl.kernels import updates
from hpcfl.trainers.gradients import TALLY
from hpcfl.trainers.objective import Objective
from hpcfl.trainers.stepper import Stepper


def sliced(job: Job, objective: Objective) -> bool:
    """Return whether a parameter moves by its own gradient and state alone; equal on all ranks."""
    alone = job.optimizer.rule.kernel() in updates.ELEMENTWISE
    return bool(alone and not objective.rule.l2 and not job.optimizer.clip_norm)


class SlicedStepper(Stepper):
    """Moves this rank's slice.

    Parameters
    ----------
    slices : Slices
    job, objective, shards, steps, comm
        As in `Stepper`.

    Attributes
    ----------
    w : (P,) float
        In memory that the ranks of a node share.
    state : (slots, slice) float
        The optimizer's, of this rank's slice.
    """

    def __init__(self, slices: Slices, job: Job, objective: Objective, shards: Shards, steps: int, comm: Comm) -> None:
        self.slices = slices
        super().__init__(job, objective, shards, steps, comm)

    def room(self, objective: Objective, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """See `Stepper.room` (collective)."""
        node, size, slots = self.slices.node, self.slices.size, self.rule.slots
        whole = shared(node, ((1 + slots) * size,), objective.dtype)
        w, state = whole[:size], whole[size:]
        if node.rank == 0:
            objective.start(seed, w)
        node.barrier()
        self.states = [state[slots * a : slots * b].reshape(slots, b - a) for a, b in pairwise(self.slices.bounds)]
        self.part = w[self.slices.mine]
        self.own = self.part.copy()  # what others have read is slow to write to, but for a copy of many bytes
        return w, self.states[node.rank]

    def warm(self, gradient: Any) -> None:
        """See `Stepper.warm`."""
        gradient.warm(self.w, np.zeros(self.size + TALLY, self.w.dtype))
        self.kernel(self.own.copy(), self.own, 1.0, self.state.copy(), self.hyper, 0.0, 1)
        updates.norm(self.w)

    def arrays(self) -> dict[str, np.ndarray]:
        """See `Stepper.arrays`."""
        return super().arrays() | {"state": np.concatenate(self.states, axis=1)}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """See `Stepper.restore`."""
        super().restore({**arrays, "state": arrays["state"][:, self.slices.mine]})
        self.own[:] = self.part

    def step(self, vector: np.ndarray, failed: Exception | None = None) -> None:
        """See `Stepper.step`; `vector` is the slice and the tally (collective)."""
        super().step(vector, failed)
        self.slices.gate.meet()  # all have moved what is theirs

    def _move(
        self, w: np.ndarray, vector: np.ndarray, state: np.ndarray, rate: float, t: int, scale: float = 1.0
    ) -> float:
        self.kernel(self.own, vector[: self.own.size], scale, state, self.hyper, rate, t)
        self.part[:] = self.own
        return 0.0
