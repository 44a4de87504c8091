"""Averages of averages: groups of clients train together for a while, then the groups' models meet (HierFAVG)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.config import Job
from hpcfl.federated.cohort import Cohort
from hpcfl.federated.types import Vectors
from hpcfl.federated.uplink import Uplink

Exchange = Callable[[int, np.ndarray, np.ndarray], tuple[Vectors, np.ndarray]]


class Hierarchy:
    """The groups of a job (Liu et al. 2020): client i of N is of group ``i * groups // N``.

    Parameters
    ----------
    job : Job
    clients : int
    uplink : Uplink
        That averages for each group by itself.
    comm : Comm
    """

    def __init__(self, job: Job, clients: int, uplink: Uplink, comm: Comm) -> None:
        self.groups, self.averages = job.federated.hierarchy.groups, job.federated.hierarchy.averages
        self.strategy, self.uplink, self.comm = job.federated.strategy, uplink, comm
        self.group = np.arange(clients) * self.groups // clients

    def meet(
        self, r: int, w: np.ndarray, cohort: Cohort, rate: float, exchange: Exchange
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """Average within the groups, then over them (collective).

        Parameters
        ----------
        r : int
        w : (P,)
            The model that every group starts from.
        cohort : Cohort
        rate : float
            Local learning rate.
        exchange : function of a lap's number, the groups' models (groups, P) and the group of each client
            Gives what `Uplink.send` does.

        Returns
        -------
        direction, stats
            On rank 0 the groups' mean way (P,), or None if nobody is left, and the stats of the last lap.
        """
        models, which = np.repeat(w[None], self.groups, 0), self.group[cohort.ids]
        weight = np.zeros((self.groups, 1))
        for lap in range(self.averages):
            got, stats = exchange(r * self.averages + lap, models, which)
            with self.comm.together("averaging groups"):
                if got:
                    models += self.strategy.combine({}, got, 0.0, rate).astype(models.dtype)
            self.comm.bcast(models, purpose="model")
        if self.comm.rank == 0:
            rows = self.uplink.weights(self.strategy.sends[0], cohort.rows) * (stats[:, 2] > 0)
            np.add.at(weight[:, 0], which, rows)
        if not weight.any():
            return None, stats
        return np.asarray((weight * (models.astype(np.float64) - w)).sum(0) / weight.sum()), stats

    def bytes(self, cohort: Cohort, vector: int) -> int:
        """Return the bytes of the groups' models on their way up or down."""
        return int(np.unique(self.group[cohort.ids]).size * vector) if self.groups else 0
