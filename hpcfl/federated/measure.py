"""How good models are for each client, on rows of its own: the server's models, and the clients' personal ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.config import Job
from hpcfl.data.shard import Shard
from hpcfl.federated.clients import STRIDE, Clients
from hpcfl.federated.cohort import deal
from hpcfl.federated.held import Rows
from hpcfl.federated.spread import score, spreads
from hpcfl.seeding import key

TOGETHER = 64  # clients whose models are in memory at a time

Predictor = Callable[[np.ndarray], Callable[[Any], np.ndarray]]


class Measure:
    """Measures models client by client; nothing but three sums a client leaves its rank.

    Parameters
    ----------
    job : Job
    clients : Clients
    predictor : function
        Turns parameters (P,) into a function from rows to outputs.
    probabilities : bool
        Whether outputs of a classifier are probabilities.
    group, groups : int64 arrays
        Who may run whom; see `deal`.
    """

    def __init__(
        self,
        job: Job,
        clients: Clients,
        predictor: Predictor,
        probabilities: bool,
        group: np.ndarray,
        groups: np.ndarray,
    ) -> None:
        self.job, self.clients, self.predictor = job, clients, predictor
        people, tune = clients.people, job.evaluate.finetune_steps
        self.classes, self.probabilities = people.shards.classes, probabilities
        self.sets = wanted(job, clients)
        self.ids = np.flatnonzero(people.sizes)
        self.places = deal(self.ids, people.sizes[self.ids] * 1.0, group[self.ids], groups)
        self.personal = job.evaluate.personal and (bool(clients.strategy.personal) or tune > 0)

    def __call__(self, r: int, shared: np.ndarray, rate: float, comm: Comm) -> dict[str, Any]:
        """Return {set: {metric: {mean, ...}}} and, of personal models, {"personal_" + set: ...} (collective).

        Parameters
        ----------
        r : int
            Rounds that were made.
        shared : (models + told, P)
            As `Clients.meet` takes it.
        rate : float
            Learning rate of the tuning.
        """
        table = np.zeros((2, len(self.sets), self.clients.people.sizes.size, 3))
        if not self.sets:
            return {}
        with comm.together("evaluating clients"):
            mine = self.ids[self.places[comm.rank]]
            for a in range(0, mine.size, TOGETHER):
                self._fill(r, mine[a : a + TOGETHER], shared, rate, table)
        comm.sum(table, "evaluation")
        out = {}
        for which, prefix in enumerate(("", "personal_") if self.personal else ("",)):
            for i, name in enumerate(self.sets):
                out[prefix + name] = spreads(table[which, i], self.classes > 0, self.probabilities)
        return out

    def _fill(self, r: int, ids: np.ndarray, shared: np.ndarray, rate: float, table: np.ndarray) -> None:
        """Write the scores of the clients `ids`."""
        strategy = self.clients.strategy
        several = len(shared) - len(strategy.told) > 1
        bank, me = self.clients.meet(ids, np.zeros(ids.size, np.int64), shared, rate, strategy.probe * several)
        models = [np.broadcast_to(bank["w"], (ids.size, shared.shape[1]))]
        if self.personal:
            if strategy.personal:
                strategy.client(bank, me)
            models.append(self._own(r, ids, bank, rate))
        for which, each in enumerate(models):
            for client, w in zip(ids.tolist(), each, strict=True):
                outputs = self.predictor(w)
                for i, rows in enumerate(self.sets.values()):
                    table[which, i, client] = self._score(outputs, rows.of(client))

    def _own(self, r: int, ids: np.ndarray, bank: Any, rate: float) -> np.ndarray:
        """Return the personal models of the clients `ids`, tuned if the job says so, (clients, P)."""
        steps = self.job.evaluate.finetune_steps
        if not steps:
            return np.asarray(bank[self.clients.strategy.personal])
        run, rate = self.clients.strategy.tune(bank, rate)
        streams = key(self.job.seed, "tune", r) + STRIDE * (ids.astype(np.uint64) + np.uint64(1))
        self.clients.local.run(ids, streams, np.full(ids.size, steps), (run,), bank, rate)
        return bank["tuned"]

    def _score(self, outputs: Callable[[Any], np.ndarray], rows: Shard) -> np.ndarray:
        return score(outputs(rows.x), rows.y, self.classes > 0, self.probabilities) if rows.rows else np.zeros(3)


def wanted(job: Job, clients: Clients) -> dict[str, Rows]:
    """Return the rows of the sets of clients that the job is to be evaluated on.

    The clients' and the held-out clients' own test rows, or their training rows where
    ``federated.client_test`` is 0, and validation rows.
    """
    fed, on, people = job.federated, job.evaluate.on, clients.people
    whole = people.own.tested if fed.client_test else people.own.train
    out = (people.counts == 0) & (people.sizes > 0)
    every = {
        "clients": (fed.client_test > 0, whole.but(out)),
        "validation": (fed.client_validation > 0, people.own.validated.but(out)),
        "held_out": (fed.held_out_clients > 0, whole.but(~out)),
    }
    return {name: rows for name, (there, rows) in every.items() if (name in on if on else there)}
