"""One federated round: tell, train, send, combine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.config import Job
from hpcfl.federated import fixed
from hpcfl.federated.attendance import attend
from hpcfl.federated.bank import Bank
from hpcfl.federated.clients import Clients
from hpcfl.federated.cohort import Cohort, deal
from hpcfl.federated.kept import Kept
from hpcfl.federated.local import Local
from hpcfl.federated.population import Population
from hpcfl.federated.types import Run, Vectors
from hpcfl.federated.uplink import STATS, Uplink
from hpcfl.seeding import stream


class Rounds:
    """The state of a federation: the server's vectors (rank 0 moves them) and what clients keep.

    Parameters
    ----------
    job : Job
    objective : Any
        See `Local`; `start(seed)` gives the first parameters.
    people : Population
    comm : Comm
    """

    def __init__(self, job: Job, objective: Any, people: Population, comm: Comm) -> None:
        fed = job.federated
        self.job, self.people, self.comm, self.strategy = job, people, comm, fed.strategy
        w = objective.start(job.seed)
        self.server: Vectors = {"w": self.strategy.start(w, stream(job.seed, "models")), **self.strategy.init(w)}
        self.models = self.server["w"].size // w.size
        self.pace = stream(job.seed, "pace").standard_normal(people.counts.size)
        self.momentum = np.zeros((fed.server.slots, self.server["w"].size))
        self.shared = np.empty((self.models + len(self.strategy.told), w.size), w.dtype)
        gather = fed.exchange == "gather"
        self.uplink, self.first = (
            Uplink(parts, w.size, fed.aggregator, fed.weighting, fed.bound, gather, self.models)
            for parts in (self.strategy.sends, self.strategy.asks)
        )
        self.groups, self.group = self._homes()
        self.kept = Kept(
            self.strategy.keeps, people.counts.size, w.size, w.dtype, comm,
            Path(job.output) / "state", fed.state_memory, max(job.checkpoint.keep, 1),
        )  # fmt: skip
        self.clients = Clients(job, objective, people, self.kept)

    @staticmethod
    def warm(job: Job, objective: Any, people: Population) -> None:
        """Compile, or load, every kernel that a round calls (local)."""
        local, none = Local(job, objective, people), np.empty(0, np.int64)
        shared = np.zeros((1, objective.layout.size), objective.dtype)
        local.run(none, none.astype(np.uint64), none, (Run(),), Bank({"w": 0}, shared, 0, 0, objective.layout), 0.1)
        local.losses(none, shared)
        for vectors in (shared, np.zeros((1, 1))):
            fixed.within([vectors], 1.0)
            fixed.add(vectors, np.ones(1), 1.0, np.zeros(vectors.shape[1], np.int64))

    @property
    def w(self) -> np.ndarray:
        """The global model (P,), as last told to all ranks; the first if there are several."""
        return np.asarray(self.shared[0])

    def arrays(self) -> Vectors:
        """Return the server's state, of which rank 0 holds the newest."""
        return {**self.server, "server optimizer": self.momentum}

    def restore(self, arrays: Mapping[str, np.ndarray], own: Mapping[str, list[np.ndarray]]) -> None:
        """Take the server's state from `arrays`, and the clients' from `own` (collective)."""
        for name, array in self.arrays().items():
            array[:] = arrays[name]
        mine = self.kept.node.allgather(self.groups[self.comm.rank, None], "state")
        self.kept.restore(own, np.isin(self.group, mine))

    def _homes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the group of each rank, and of each client that of the ranks that may run it (collective)."""
        people, comm = self.people, self.comm
        if people.owner[0] >= 0:
            return np.arange(comm.size), people.owner
        first = np.array([Comm(comm.node).bcast(np.array([comm.rank]))[0]], np.int64)
        nodes = np.unique(comm.allgather(first)[:, 0], return_inverse=True)[1]
        if not self.strategy.keeps:
            nodes = np.zeros_like(nodes)
        return nodes, np.arange(people.counts.size) % (int(nodes.max()) + 1)

    def tell(self) -> None:
        """Broadcast the model and what the strategy tells with it (collective)."""
        self.shared[: self.models] = self.server["w"]
        for i, name in enumerate(self.strategy.told, self.models):
            self.shared[i] = self.server[name]
        self.comm.bcast(self.shared, purpose="model")

    def steps(self, rows: np.ndarray) -> np.ndarray:
        """Return the local steps of clients with so many rows, int64."""
        fed = self.job.federated
        if fed.local_steps:
            return np.full(rows.size, fed.local_steps, np.int64)
        return np.asarray(fed.local_epochs * -(-rows.astype(np.int64) // self.clients.local.batch))

    def draw(self, r: int) -> Cohort:
        """Return the cohort of round `r`, the same on every rank."""
        fed, counts, seed = self.job.federated, self.people.counts, self.job.seed
        alive = np.flatnonzero(counts)
        size = max(round(fed.fraction * alive.size) if fed.fraction else fed.clients_per_round, 1)
        more = min(round(size * fed.deadline.over_selection), alive.size)
        drawn = alive[fed.sampler.draw(counts[alive], more, r, stream(seed, "cohort", r))]
        epochs = 0 if fed.local_steps else fed.local_epochs
        wanted = size if more > size else drawn.size
        rng, full = stream(seed, "attendance", r), self.steps(counts[drawn])
        there, steps, seconds = attend(fed, rng, full, epochs, self.pace[drawn], wanted)
        ids, steps = drawn[there], steps[there]
        places = deal(ids, steps * 1.0, self.group[ids], self.groups)
        return Cohort(ids, counts[ids].astype(np.float64), steps, places, drawn[~there], seconds)

    def trained(self, cohort: Cohort) -> int:
        """Return the rows that a round's clients train on, each pass counted."""
        rows, batch = cohort.rows, self.clients.local.batch
        passes, rest = np.divmod(cohort.steps, np.ceil(rows / batch).astype(np.int64))
        return int((passes * rows + np.minimum(rest * batch, rows)).sum())

    def round(self, r: int) -> dict[str, Any]:
        """Make round `r`, counted from 0, and return its record (collective)."""
        cohort, rate = self.draw(r), self.rate(r)
        mine = cohort.places[self.comm.rank]
        work = cohort.ids[mine], cohort.steps[mine], self.shared, rate
        if self.strategy.asks:
            self._ask(cohort, work)
        with self.comm.together("training clients"):
            out, stats = self.clients.train(r, *work, self.uplink)
        got, stats = self.uplink.send(out, stats, cohort, self.comm)
        with self.comm.together("combining updates"):
            if got:
                self._combine(got, stats, r, rate)
        self.tell()
        return self._record(cohort, stats, r)

    def _ask(self, cohort: Cohort, work: tuple[np.ndarray, np.ndarray, np.ndarray, float]) -> None:
        """Make the exchange that comes before training (collective)."""
        with self.comm.together("asking clients"):
            out, stats = self.clients.answer(*work, self.first)
        got, _ = self.first.send(out, stats, cohort, self.comm)
        if got:
            self.strategy.hear(self.server, got)
        self.tell()

    def rate(self, r: int) -> float:
        """Return the local learning rate of round `r`: schedules count rounds."""
        optimizer = self.job.optimizer
        return float(optimizer.rule.learning_rate * optimizer.schedule.factor(r, self.job.train.rounds))

    def _combine(self, got: Vectors, stats: np.ndarray, r: int, rate: float) -> None:
        """Move the server's vectors (rank 0)."""
        share = float(stats[:, 2].sum()) / max(int(np.count_nonzero(self.people.counts)), 1)
        direction = self.strategy.combine(self.server, got, share, rate)
        rule, w = self.job.federated.server, self.server["w"].astype(np.float64).reshape(-1)
        rule.step(w, -np.asarray(direction, np.float64).reshape(-1), self.momentum, rule.learning_rate, r + 1)
        self.server["w"][:] = w.reshape(self.server["w"].shape)

    def _record(self, cohort: Cohort, stats: np.ndarray, r: int) -> dict[str, Any]:
        """Return what the log says of a round (collective)."""
        whole = stats if self.comm.rank == 0 else np.empty((cohort.ids.size, STATS))
        stats = self.comm.bcast(np.ascontiguousarray(whole), purpose="stats")
        fine = stats[:, 2] > 0
        sent, asked = (link.message_bytes(self.w.itemsize) for link in (self.uplink, self.first))
        spared = self.clients.spared * self.w.itemsize
        return {
            "round": r + 1,
            "train_loss": float(stats[:, 0].sum()) / float(stats[:, 1].sum()) if fine.any() else None,
            "cohort": cohort.ids.tolist(),
            "absent": cohort.absent.tolist(),
            "rejected": cohort.ids[~fine].tolist(),
            "rows": self.trained(cohort),
            "simulated_seconds": cohort.seconds,
            "uplink_bytes": (sent + asked - spared) * cohort.ids.size,
            "downlink_bytes": (self.shared.nbytes + asked - spared) * (cohort.ids.size + cohort.absent.size),
        }
