"""Bad clients among the good ones: whom the seed draws, and what they send."""

from __future__ import annotations

import numpy as np

from hpcfl.attacks import Seen
from hpcfl.comm.communicator import Comm
from hpcfl.config import Job
from hpcfl.federated import fixed
from hpcfl.federated.population import Population
from hpcfl.federated.types import Vectors
from hpcfl.seeding import stream


class Attackers:
    """The job's attack (collective).

    Attributes
    ----------
    bad : (clients,) bool
        The same on every rank.
    talk : bool
        Whether ranks exchange messages to forge some.
    """

    def __init__(self, job: Job, people: Population, comm: Comm) -> None:
        self.rule, self.bound = job.federated.attack, job.federated.bound
        self.bad = np.zeros(people.counts.size, bool)
        self.talk = self.rule is not None and not self.rule.poisons
        if self.rule is None:
            return
        alive = np.flatnonzero(people.counts)
        self.bad[stream(job.seed, "attack").choice(alive, self.rule.clients, replace=False)] = True
        node = Comm(comm.node)
        if self.rule.poisons and (people.owner[0] >= 0 or node.rank == 0):  # a simulation's node holds its rows once
            self._poison(people)
        node.barrier()

    def among(self, ids: np.ndarray) -> list[int]:
        """Return the bad ones of the clients `ids`."""
        return list(ids[self.bad[ids]].tolist())

    def _poison(self, people: Population) -> None:
        for client in np.flatnonzero(self.bad):
            rows = people.rows[people.starts[client] : people.starts[client + 1]]
            y = people.shards.train.y
            y[rows, 0] = self.rule.targets(y[rows, 0], people.shards.classes)

    def forge(self, out: Vectors, ids: np.ndarray, cohort: np.ndarray, keys: np.ndarray, comm: Comm) -> None:
        """Change what bad clients send, if ranks `talk` about it (collective).

        Parameters
        ----------
        out : dict
            Vectors of the messages of this rank's clients `ids`.
        cohort : int64 array
            All clients of the round.
        keys : (len(ids),) uint64
            Of the clients' random draws.
        """
        bad = self.bad[ids]
        known = [self._moments(v, bad, comm) for v in out.values()]
        with comm.together("forging messages"):
            for v, moments in zip(out.values(), known, strict=True):
                seen = Seen(cohort.size, int(self.bad[cohort].sum()), *moments)
                v[bad] = self.rule.forge(v[bad], seen, keys[bad])

    def _moments(self, v: np.ndarray, bad: np.ndarray, comm: Comm) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and deviation of the messages that the attack sees, over all ranks (collective)."""
        if not self.rule.sees:
            return np.empty(0), np.empty(0)
        ones = ((bad == (self.rule.sees == "bad")) & fixed.within([v], self.bound)) * 1.0
        count = max(comm.sum(np.array([ones.sum()]), "attack")[0], 1.0)
        total = np.zeros((2, v.shape[1]), np.int64)
        scales = [fixed.scale(count, self.bound), fixed.scale(count, self.bound**2)]
        for part, power, factor in zip(total, (v, np.square(v, dtype=np.float64)), scales, strict=True):
            fixed.add(power, ones, factor, part)
        first, second = comm.sum(total, "attack") / np.array(scales)[:, None] / count
        return first, np.sqrt(np.maximum(second - first**2, 0))
