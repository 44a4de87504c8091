"""Who works in which round, how much, and from which model: known to every rank without a message."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, pairwise

import numpy as np

from hpcfl.config import Job
from hpcfl.federated.attendance import attend
from hpcfl.federated.buffered import Arrivals
from hpcfl.federated.cohort import Cohort, deal_all
from hpcfl.kernels.deal import worked
from hpcfl.seeding import Streams, stream

AHEAD = 64  # rounds drawn in one go: code that is still in cache runs twice as fast


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
        See `deal_all`: of every client, and of every rank.
    first : float
        Local steps that the work of rank 0 beside them takes.
    """

    def __init__(
        self, job: Job, counts: np.ndarray, batch: int, group: np.ndarray, groups: np.ndarray, first: float
    ) -> None:
        self.fed, self.rounds = job.federated, job.train.rounds
        self.counts, self.batch = counts, batch
        self.group, self.groups, self.first = group, groups, first
        self.alive, self.alive_rows = np.flatnonzero(counts), counts[counts != 0]
        self.full, self.in_epoch = self.steps(counts), -(-counts // batch)
        self.pace = stream(job.seed, "pace").standard_normal(counts.size)
        self.cohorts, self.attendance = Streams(job.seed, "cohort"), Streams(job.seed, "attendance")
        self.drawn: dict[int, Cohort] = {}
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
            back, bounds = self.arrivals.next(), [0, self.fed.clients_per_round]
            return self._cohorts(back.ids, bounds, self.full[back.ids], [back.lost], [back.seconds], back.ages, [0])[0]
        if r not in self.drawn:
            end = r + 1 if hasattr(self.fed.sampler, "narrow") else max(min(r + AHEAD, self.rounds), r + 1)
            self.drawn = dict(zip(range(r, end), self._draw(range(r, end), losses), strict=True))
        return self.drawn.pop(r)

    def _draw(self, rounds: range, losses: Callable[[np.ndarray], np.ndarray]) -> list[Cohort]:
        """Draw many cohorts: what is done for all at once takes hardly longer than for one."""
        fed, (drawn, asked, wanted) = self.fed, zip(*[self._who(r, losses) for r in rounds], strict=True)
        ids, bounds = np.concatenate(drawn), [0, *accumulate(map(len, drawn))]
        rngs, epochs = map(self.attendance.at, rounds), 0 if fed.local_steps else fed.local_epochs
        there, steps, seconds = attend(fed, rngs, bounds, self.full[ids], epochs, self.pace[ids], list(wanted))
        absent = [ids[:0]] * len(rounds)
        if not there.all():
            absent = [ids[a:b][~there[a:b]] for a, b in pairwise(bounds)]
            bounds = np.append(0, np.cumsum(there))[bounds].tolist()
            ids, steps = ids[there], steps[there]
        return self._cohorts(ids, bounds, steps, absent, seconds, np.zeros(ids.size, np.int64), list(asked))

    def _who(self, r: int, losses: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, int, int]:
        """Return the clients drawn for a round, how many were asked for their losses, and how many are waited for."""
        fed, counts, alive = self.fed, self.alive_rows, self.alive
        size = max(round(fed.fraction * alive.size) if fed.fraction else fed.clients_per_round, 1)
        more = min(round(size * fed.deadline.over_selection), alive.size)
        drawn = alive[fed.sampler.draw(counts, more, r, self.cohorts.at(r))]
        narrow, asked = getattr(fed.sampler, "narrow", None), 0
        if narrow:
            asked, drawn = drawn.size, drawn[narrow(losses(drawn), more)]
        return drawn, asked, size if more > size else drawn.size

    def skip(self, rounds: int) -> None:
        """Pass over the rounds that were made before."""
        for _ in range(rounds if self.arrivals else 0):
            assert self.arrivals is not None
            self.arrivals.next()

    @property
    def reach(self) -> int:
        """How many models, the newest one included, clients train on that are on their way."""
        return self.arrivals.moves - self.arrivals.oldest + 1 if self.arrivals else 1

    @property
    def laps(self) -> int:
        """How often the clients of a round train in it."""
        return self.fed.hierarchy.averages if self.fed.hierarchy.groups else 1

    def _cohorts(
        self,
        ids: np.ndarray,
        bounds: list[int],
        steps: np.ndarray,
        absent: list[np.ndarray],
        seconds: list[float],
        ages: np.ndarray,
        asked: list[int],
    ) -> list[Cohort]:
        """Return the cohorts of rounds whose clients begin at `bounds` in the arrays."""
        places = deal_all(ids, bounds, steps * 1.0, self.group[ids], self.groups, self.first)
        rows, laps, sums = self.counts[ids], self.laps, np.empty((len(absent), 2), np.int64)
        worked(steps, self.in_epoch[ids], rows, self.batch, np.array(bounds), sums)
        weights, totals = rows * 1.0, sums.tolist()
        return [
            Cohort(
                ids[a:b], weights[a:b], steps[a:b], places[t], absent[t], seconds[t] * laps, ages[a:b],
                totals[t][0] * laps, totals[t][1], asked[t],
            )
            for t, (a, b) in enumerate(pairwise(bounds))
        ]  # fmt: skip
