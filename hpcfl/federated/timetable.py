"""Who works in which round, how much, and from which model: known to every rank without a message."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hpcfl.config import Job
from hpcfl.federated.attendance import attend
from hpcfl.federated.buffered import Arrivals
from hpcfl.federated.cohort import Cohort, deal
from hpcfl.seeding import stream


class Timetable:
    """The cohorts of a job, round by round or as clients arrive.

    Parameters
    ----------
    job : Job
    counts : (clients,) int64
        Training rows of every client.
    batch : int
        Rows of a local step.
    group, groups : int64 arrays
        See `deal`: of every client, and of every rank.
    first : float
        Local steps that the work of rank 0 beside them takes.
    """

    def __init__(
        self, job: Job, counts: np.ndarray, batch: int, group: np.ndarray, groups: np.ndarray, first: float
    ) -> None:
        self.fed, self.seed, self.counts, self.batch = job.federated, job.seed, counts, batch
        self.group, self.groups, self.first = group, groups, first
        self.alive, self.full, self.in_epoch = np.flatnonzero(counts), self.steps(counts), -(-counts // batch)
        self.pace = stream(job.seed, "pace").standard_normal(counts.size)
        self.arrivals: Arrivals | None = None
        if self.fed.asynchronous.concurrency:
            self.arrivals = Arrivals(self.fed, job.seed, counts, self.full, self.pace)

    def steps(self, rows: np.ndarray) -> np.ndarray:
        """Return the local steps of clients with so many rows, int64."""
        if self.fed.local_steps:
            return np.full(rows.size, self.fed.local_steps, np.int64)
        return np.asarray(self.fed.local_epochs * -(-rows.astype(np.int64) // self.batch))

    def draw(self, r: int, losses: Callable[[np.ndarray], np.ndarray]) -> Cohort:
        """Return the cohort of round `r`; asynchronous ones come one after the other.

        A sampler that narrows down what it has drawn makes this collective: it is given the
        clients' `losses`, a function from clients (m,) to (m,) that all ranks call together.
        """
        if self.arrivals:
            back = self.arrivals.next()
            return self._cohort(back.ids, self.full[back.ids], back.lost, back.seconds, back.ages)
        fed, counts, alive = self.fed, self.counts, self.alive
        size = max(round(fed.fraction * alive.size) if fed.fraction else fed.clients_per_round, 1)
        more = min(round(size * fed.deadline.over_selection), alive.size)
        drawn = alive[fed.sampler.draw(counts[alive], more, r, stream(self.seed, "cohort", r))]
        narrow, asked = getattr(fed.sampler, "narrow", None), 0
        if narrow:
            asked, drawn = drawn.size, drawn[narrow(losses(drawn), more)]
        epochs = 0 if fed.local_steps else fed.local_epochs
        wanted = size if more > size else drawn.size
        rng = stream(self.seed, "attendance", r)
        there, steps, seconds = attend(fed, rng, self.full[drawn], epochs, self.pace[drawn], wanted)
        ages = np.zeros(int(there.sum()), np.int64)
        return self._cohort(drawn[there], steps[there], drawn[~there], seconds, ages)._replace(asked=asked)

    def skip(self, rounds: int) -> None:
        """Pass over the rounds that were made before."""
        for _ in range(rounds if self.arrivals else 0):
            assert self.arrivals is not None
            self.arrivals.next()

    @property
    def reach(self) -> int:
        """How many models, the newest one included, clients train on that are on their way."""
        return self.arrivals.moves - self.arrivals.oldest + 1 if self.arrivals else 1

    def trained(self, cohort: Cohort) -> int:
        """Return the rows that a round's clients train on, each pass counted."""
        passes, rest = np.divmod(cohort.steps, self.in_epoch[cohort.ids])
        return int((passes * cohort.rows + np.minimum(rest * self.batch, cohort.rows)).sum()) * self.laps

    @property
    def laps(self) -> int:
        """How often the clients of a round train in it."""
        return self.fed.hierarchy.averages if self.fed.hierarchy.groups else 1

    def _cohort(
        self, ids: np.ndarray, steps: np.ndarray, absent: np.ndarray, seconds: float, ages: np.ndarray
    ) -> Cohort:
        places = deal(ids, steps * 1.0, self.group[ids], self.groups, self.first)
        rows = self.counts[ids].astype(np.float64)
        return Cohort(ids, rows, steps, places, absent, seconds * self.laps, ages)
