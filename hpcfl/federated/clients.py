"""The clients' side of a round: what this rank's clients are told, measure, train and answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpcfl.config import Job
from hpcfl.federated import fixed
from hpcfl.federated.bank import Bank
from hpcfl.federated.downlink import ACCEPTED, MODEL, STATS
from hpcfl.federated.kept import Kept
from hpcfl.federated.local import Local
from hpcfl.federated.population import Population
from hpcfl.federated.room import Room
from hpcfl.federated.types import Me, Vectors
from hpcfl.federated.uplink import Uplink
from hpcfl.kernels.fixed import settle
from hpcfl.seeding import key

STRIDE = np.uint64(0xD1B54A32D192ED03)  # between the streams of two clients


class Clients:
    """All that happens where the rows are (local calls).

    Parameters
    ----------
    job : Job
    objective : Any
        See `Local`.
    people : Population
    kept : Kept
        What clients keep between rounds.

    Attributes
    ----------
    spared : int
        Coordinates of a vector that never leave a client.
    """

    def __init__(self, job: Job, objective: Any, people: Population, kept: Kept) -> None:
        self.job, self.people, self.kept, self.strategy = job, people, kept, job.federated.strategy
        self.local, self.room = Local(job, objective, people), Room()
        self.rows = people.sizes[:, None].astype(np.float64)
        self.salts = STRIDE * np.arange(1, people.counts.size + 1, dtype=np.uint64)
        self.stays = self.strategy.local(tuple(objective.layout.shapes))
        self.spared = int(objective.layout.mask(self.stays).sum())

    def meet(
        self,
        ids: np.ndarray,
        steps: np.ndarray,
        shared: np.ndarray,
        rate: float,
        probe: tuple[str, ...],
        which: np.ndarray | None = None,
    ) -> tuple[Bank, Me]:
        """Return the vectors of the clients `ids`, and what they measure of `probe`.

        Parameters
        ----------
        steps : (clients,) int64
            That each of them is to make.
        shared : (models + told, P)
            The server's models, then what its strategy tells.
        which : (clients,) int64
            The model of each client, if the schedule says so and not the strategy.
        """
        models = shared[: len(shared) - len(self.strategy.told)]
        told = {name: i for i, name in enumerate(self.strategy.told, len(models))}
        loss = self.local.losses(ids, models) if "loss" in probe else np.zeros((ids.size, len(models)))
        me = Me(ids[:, None], self.rows[ids], steps[:, None] * 1.0, np.zeros((ids.size, 1)), loss, rate)
        one = len(models) == 1 and which is None
        told |= {"w": 0} if one else {}
        bank = Bank(told, shared, ids.size, len(self.kept.keeps), self.local.layout, self.stays, self.room)
        if not one:
            bank["w"] = models[self.strategy.choose(me) if which is None else which]
        self.kept.load(ids, bank)
        if "gradient" in probe:
            bank["gradient"] = self.local.gradients(ids, models[0])
        return bank, me

    def answer(
        self, ids: np.ndarray, steps: np.ndarray, shared: np.ndarray, rate: float, link: Uplink
    ) -> tuple[Vectors, np.ndarray]:
        """Return the messages that come before training, and their stats as `train` does."""
        bank, me = self.meet(ids, steps, shared, rate, self.strategy.probe)
        out, nothing = link.empty(ids.size, shared.dtype), np.zeros((ids.size, 2))
        self.strategy.answer(bank, me, out)
        fine = fixed.within(list(out.values()), self.job.federated.bound)
        return out, np.column_stack([nothing, fine, self.strategy.choose(me)])

    def train(
        self,
        r: int,
        ids: np.ndarray,
        steps: np.ndarray,
        shared: np.ndarray,
        rate: float,
        link: Uplink,
        which: np.ndarray | None = None,
    ) -> tuple[Bank, Vectors, np.ndarray]:
        """Return the vectors and messages of round `r`, and loss sum, loss weight, 1 and model of each client."""
        bank, me = self.meet(ids, steps, shared, rate, () if self.strategy.asks else self.strategy.probe, which)
        runs = self.strategy.client(bank, me)
        streams = key(self.job.seed, "local", r) + self.salts[ids]
        stats = self.local.run(ids, streams, steps, runs, bank, rate)
        out = link.empty(ids.size, shared.dtype)
        with np.errstate(all="ignore"):  # a client that diverged is left out later, by name
            self.strategy.message(bank, Me(me.id, me.rows, me.steps, stats[:, 2:], me.loss, rate), out)
        found = np.ones((ids.size, STATS))
        found[:, :ACCEPTED] = stats[:, :ACCEPTED]
        found[:, MODEL] = self.strategy.choose(me) if which is None else which
        return bank, out, found

    def keep(self, ids: np.ndarray, fine: np.ndarray, bank: Bank, stats: np.ndarray) -> None:
        """Keep the vectors of those whose message is `fine` and whose loss is finite; the others' stats are cleared."""
        settle(stats[:, :MODEL], fine)
        self.kept.store(ids, fine, bank)
