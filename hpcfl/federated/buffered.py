"""When clients come back if the server waits for a buffer of updates instead of a round's clients (FedBuff)."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import NamedTuple

import numpy as np

from hpcfl.sections.federated import Federated
from hpcfl.seeding import stream


class Back(NamedTuple):
    """The updates that make the server move once.

    Attributes
    ----------
    ids : (m,) int64
        Clients in the order in which they came back.
    ages : (m,) int64
        How often the server has moved since each one was told the model.
    lost : (k,) int64
        Clients whose update never came.
    seconds : float
        Simulated time since the server moved last.
    """

    ids: np.ndarray
    ages: np.ndarray
    lost: np.ndarray
    seconds: float


class Arrivals:
    """The simulated time of asynchronous clients (Nguyen et al. 2022): it follows from the job, not from the training.

    `concurrency` clients train at any time. Whoever comes back is replaced at once by a client that
    neither trains nor waits in the buffer, so that none is twice in one. Every rank plays the same.

    Parameters
    ----------
    fed : Federated
    seed : int
    rows, steps : (clients,) int64
        Of each client; one without rows never takes part.
    pace : (clients,) float64
        See `hpcfl.federated.attendance`.
    """

    def __init__(self, fed: Federated, seed: int, rows: np.ndarray, steps: np.ndarray, pace: np.ndarray) -> None:
        self.fed, self.seed, self.rows, self.steps, self.pace = fed, seed, rows, steps, pace
        self.idle = rows > 0
        self.training: list[tuple[float, int, int, int, bool]] = []  # end, number, client, version told, lost
        self.moves, self.launched, self.now = 0, 0, 0.0
        for _ in range(fed.asynchronous.concurrency):
            self._launch(0.0)

    @property
    def oldest(self) -> int:
        """The oldest version of the model that a client trains on: how many moves made it."""
        return min(version for _, _, _, version, _ in self.training)

    def next(self) -> Back:
        """Play until the server moves once more."""
        began, ids, versions, lost = self.now, list[int](), list[int](), list[int]()
        while len(ids) < self.fed.clients_per_round:
            self.now, _, client, version, gone = heappop(self.training)
            if gone:
                lost.append(client)
                self.idle[client] = True
            else:
                ids.append(client)
                versions.append(version)
            if len(ids) == self.fed.clients_per_round:
                self.moves += 1
                self.idle[ids] = True
            self._launch(self.now)
        ages = self.moves - 1 - np.array(versions, np.int64)
        return Back(np.array(ids, np.int64), ages, np.array(lost, np.int64), self.now - began)

    def _launch(self, now: float) -> None:
        rng, there = stream(self.seed, "launch", self.launched), np.flatnonzero(self.idle)
        client = int(there[self.fed.sampler.draw(self.rows[there], 1, self.launched, rng)][0])
        gone = bool(rng.random() < self.fed.dropout)
        one, luck = slice(client, client + 1), rng.standard_normal(1)
        time = now + float(self.fed.clock.seconds(self.steps[one], self.pace[one], luck)[0])
        heappush(self.training, (time, self.launched, client, self.moves, gone))
        self.idle[client] = False
        self.launched += 1
