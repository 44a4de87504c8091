"""One federated round: tell, train, send, combine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hpcfl.comm.agreement import Rider
from hpcfl.comm.communicator import Comm
from hpcfl.config import Job
from hpcfl.federated.bank import SPARE
from hpcfl.federated.clients import Clients
from hpcfl.federated.cohort import Cohort, deal, log_steps, slabs
from hpcfl.federated.downlink import ACCEPTED, MODEL, Downlink
from hpcfl.federated.hierarchy import Hierarchy
from hpcfl.federated.kept import Kept
from hpcfl.federated.outbound import Outbound
from hpcfl.federated.population import Population
from hpcfl.federated.timetable import Timetable
from hpcfl.federated.types import Vectors
from hpcfl.federated.uplink import TRAINING, Messages, Uplink
from hpcfl.kernels.fixed import totals
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
        self.momentum = np.zeros((fed.server.slots, self.server["w"].size))
        vectors, most = self.models + len(self.strategy.told), int(np.count_nonzero(people.counts))
        self.downlink = Downlink(vectors, w.size, w.dtype, most, comm)
        self.shared = self.downlink.vectors
        self.past: list[np.ndarray] = []  # the newest models, as far back as clients train on them
        models, parts = max(self.models, fed.hierarchy.groups), (self.strategy.sends, self.strategy.asks)
        self.uplink, self.first = (Uplink(part, w.size, job, comm, models, most) for part in parts)
        self.asked_bytes = self.first.message_bytes(w.itemsize)
        self.outbound = Outbound(job, objective.layout, people, comm)
        keeps = {**self.strategy.keeps, **self.outbound.keeps}
        self.groups, self.group = self._homes(bool(keeps))
        self.kept = Kept(
            keeps, people.counts.size, w, comm,
            Path(job.output) / "state", fed.state_memory // 2, max(job.checkpoint.keep, 1),
        )  # fmt: skip
        self.clients = Clients(job, objective, people, self.kept)
        self.slab = self._slab((len(keeps) + SPARE + len(self.strategy.sends)) * w.nbytes)
        batch = self.clients.local.batch
        first = log_steps(w.size, batch)
        self.timetable = Timetable(job, people.counts, batch, self.group, self.groups, first)
        self.hierarchy = Hierarchy(job, people.counts.size, self.uplink, comm)

    @property
    def w(self) -> np.ndarray:
        """The global model (P,), as last told to all ranks; the first if there are several."""
        return np.asarray(self.shared[0])

    def arrays(self) -> Vectors:
        """Return the server's state, of which rank 0 holds the newest."""
        past = np.reshape(self.past[:-1], (-1, self.w.size)).astype(self.w.dtype)
        return {**self._state(), **({"past": past} if len(past) else {})}

    def _state(self) -> Vectors:
        last = {f"last {name}": v for link in (self.uplink, self.first) for name, v in link.last.items()}
        return {**self.server, "server optimizer": self.momentum, **last}

    def restore(self, r: int, arrays: Mapping[str, np.ndarray], own: Mapping[str, list[np.ndarray]]) -> None:
        """Take the server's state from `arrays`, and the clients' from `own`, after `r` rounds (collective)."""
        self.timetable.skip(r)
        self.past = list(arrays.get("past", []))
        for name, array in self._state().items():
            array[:] = arrays[name]
        mine = self.kept.node.allgather(self.groups[self.comm.rank, None], "state")
        self.kept.restore(own, np.isin(self.group, mine))

    def _homes(self, keeps: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return the group of each rank, and of each client that of the ranks that may run it (collective)."""
        people, comm = self.people, self.comm
        if people.owner[0] >= 0:
            return np.arange(comm.size), people.owner
        first = np.array([comm.on_node().bcast(np.array([comm.rank]))[0]], np.int64)
        nodes = np.unique(comm.allgather(first)[:, 0], return_inverse=True)[1]
        if not keeps:
            nodes = np.zeros_like(nodes)
        return nodes, np.arange(people.counts.size) % (int(nodes.max()) + 1)

    def tell(self, clients: int = 0) -> None:
        """Broadcast the model, what the strategy tells with it, and the stats of a round's clients (collective)."""
        if self.comm.rank == 0:
            self.shared[: self.models] = self.server["w"]
            for i, name in enumerate(self.strategy.told, self.models):
                self.shared[i] = self.server[name]
        self.downlink.send(clients)
        if self.timetable.arrivals:
            self.past = [*self.past, self.w.copy()][-self.timetable.reach :]

    @property
    def asked(self) -> bool:
        """Whether a rank asked for something in the round before."""
        return bool(self.downlink.rider[1])

    def round(self, r: int, asks: bool = False) -> dict[str, Any]:
        """Make round `r`, counted from 0, and return its record; all learn if this rank `asks` (collective).

        In most rounds the ranks meet twice: in the sum of the updates and in the broadcast of the model.
        """
        cohort, rate, rider = self.timetable.draw(r, self._losses), self.rate(r), Rider(self.comm.mpi, asks)
        if self.strategy.asks:
            self._ask(cohort, rate)
        exchange = partial(self._exchange, cohort, rate, rider)
        if self.hierarchy.groups:
            way, stats = self.hierarchy.meet(r, self.w, cohort, rate, exchange)
        else:
            got, stats = exchange(r, np.stack(self.past), -1 - cohort.ages) if self.past else exchange(r, self.shared)
            way = rider.run("combining updates", lambda: self._way(rate, stats, got)) if got else None
        if way is not None:
            rider.run("moving the model", lambda: self._move(way, r))
        if self.comm.rank == 0:
            rider.tell(self.downlink.rider)
            self.downlink.stats[: len(stats)] = stats
        self.tell(cohort.ids.size)
        rider.settle(self.downlink.rider)
        return self._record(cohort, r)

    def _exchange(
        self, cohort: Cohort, rate: float, rider: Rider, r: int, models: np.ndarray, which: np.ndarray | None = None
    ) -> tuple[Vectors, np.ndarray]:
        """Let the cohort train, each client on its strategy's model or number `which` of `models` (collective)."""
        return self.uplink.send(self._work(cohort, rate, r, models, which), cohort, rider)

    def _work(
        self, cohort: Cohort, rate: float, r: int, models: np.ndarray, which: np.ndarray | None
    ) -> Iterator[Messages]:
        """Train this rank's clients, a slab at a time, and give their messages (collective if attackers talk)."""
        guard = self.comm.together if self.outbound.attackers.talk else nullcontext
        for mine in slabs(cohort.places, self.comm.rank, self.slab):
            with guard(TRAINING):
                ids, steps, model = cohort.ids[mine], cohort.steps[mine], None if which is None else which[mine]
                bank, out, stats = self.clients.train(r, ids, steps, models, rate, self.uplink, model)
            fine = self.outbound.send(out, bank, r, ids, cohort.ids, self.comm)
            self.clients.keep(ids, fine, bank, stats)
            if self.timetable.arrivals:
                self._discount(out, stats, cohort.ages[mine])
            yield mine, out, stats

    def _slab(self, each: int) -> int:
        """Return how many clients, of `each` bytes at most, a rank works on at once (collective)."""
        if self.job.federated.attack:  # attackers look at all messages of a round
            return int(self.people.counts.size)
        ranks = int(self.comm.max(self.comm.node.size, "nodes"))
        return max(self.job.federated.state_memory // 2 // ranks // each, 1)

    def _discount(self, out: Vectors, stats: np.ndarray, ages: np.ndarray) -> None:
        """Make old updates count less; they all are for the one model that the server has."""
        share = (1.0 + ages[:, None]) ** -self.job.federated.asynchronous.exponent
        for part in self.strategy.sends:
            if part.size == "w":
                out[part.name] *= share.astype(self.w.dtype)
        stats[:, MODEL] = 0

    def _losses(self, ids: np.ndarray) -> np.ndarray:
        """Return the loss of each of the clients `ids` at the model that suits it best, (m,) (collective)."""
        mine = deal(ids, self.people.counts[ids] * 1.0, self.group[ids], self.groups)[self.comm.rank]
        out = np.zeros(ids.size)
        with self.comm.together("measuring losses"):
            out[mine] = self.clients.local.losses(ids[mine], self.shared[: self.models]).min(1)
        return self.comm.sum(out, "losses")

    def _ask(self, cohort: Cohort, rate: float) -> None:
        """Make the exchange that comes before training (collective)."""
        mine = cohort.places[self.comm.rank]
        with self.comm.together("asking clients"):
            out, stats = self.clients.answer(cohort.ids[mine], cohort.steps[mine], self.shared, rate, self.first)
        got, _ = self.first.send([(mine, out, stats)], cohort, Rider(self.comm.mpi))
        if got:
            self.strategy.hear(self.server, got)
        self.tell()

    def rate(self, r: int) -> float:
        """Return the local learning rate of round `r`: schedules count rounds."""
        optimizer = self.job.optimizer
        return float(optimizer.rule.learning_rate * optimizer.schedule.factor(r, self.job.train.rounds))

    def _way(self, rate: float, stats: np.ndarray, got: Vectors) -> np.ndarray:
        """Return where the strategy wants to go (rank 0)."""
        share = totals(stats)[2] / len(self.downlink.stats)
        return self.strategy.combine(self.server, got, share, rate)

    def _move(self, direction: np.ndarray, r: int) -> None:
        """Move the model (rank 0)."""
        rule, w = self.job.federated.server, self.server["w"].astype(np.float64).reshape(-1)
        rule.step(w, -np.asarray(direction, np.float64).reshape(-1), self.momentum, rule.learning_rate, r + 1)
        self.server["w"][:] = w.reshape(self.server["w"].shape)

    def _record(self, cohort: Cohort, r: int) -> dict[str, Any]:
        """Return what the log says of a round."""
        stats = self.downlink.stats[: cohort.ids.size]
        loss, weight, accepted = totals(stats)
        all_fine = accepted == cohort.ids.size
        sent, asked, spared = self.outbound.bytes, self.asked_bytes, self.clients.spared * self.shared.itemsize
        drawn = max(cohort.ids.size + cohort.absent.size, cohort.asked)
        laps, own = self.timetable.laps, self.hierarchy.bytes(cohort, self.shared[0].nbytes)
        return {
            "round": r + 1,
            "train_loss": loss / weight if weight else None,
            "cohort": cohort.ids.tolist(),
            "absent": cohort.absent.tolist(),
            "rejected": [] if all_fine else cohort.ids[stats[:, ACCEPTED] == 0].tolist(),
            **({"attackers": self.outbound.attackers.among(cohort.ids)} if self.job.federated.attack else {}),
            **({"ages": cohort.ages.tolist()} if self.timetable.arrivals else {}),
            "rows": cohort.trained,
            "simulated_seconds": cohort.seconds,
            "uplink_bytes": (sent + asked) * cohort.ids.size * laps + own + 8 * cohort.asked,
            "downlink_bytes": (self.shared.nbytes + asked - spared) * drawn * laps + own,
        }
