"""Messages of the clients -> what the server gets: summed on the way, gathered, or combined slice by slice."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hpcfl.comm.agreement import Rider
from hpcfl.comm.communicator import Comm
from hpcfl.comm.summer import summer
from hpcfl.config import Job
from hpcfl.federated import fixed
from hpcfl.federated.cohort import Cohort
from hpcfl.federated.downlink import ACCEPTED, MODEL, STATS
from hpcfl.federated.room import Room
from hpcfl.federated.slices import Slices
from hpcfl.federated.types import Part, Vectors
from hpcfl.kernels import fixed as kernels

TRAINING = "training clients"
RIDER = 2  # words of a rider
Numbers = dict[str, float]
Cut = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
Messages = tuple[np.ndarray, Vectors, np.ndarray]  # places, parts, stats of some clients


class Uplink:
    """Brings a round's messages together.

    Parameters
    ----------
    parts : tuple of Part
        What a message holds.
    size : int
        Length P of a vector part.
    job : Job
        Has the aggregator, which combines slices if it `stack`s (else the mean is taken), the weighting, the
        bound, and whether a mean's messages go to rank 0 one by one.
    comm : Comm
    models : int
        Models of the server; each part is combined for each model by itself.
    clients : int
        The largest cohort.

    Attributes
    ----------
    last : dict
        What the aggregator made of each part in the round before, (models, length), zeros at
        first; {} for the mean.
    """

    def __init__(self, parts: tuple[Part, ...], size: int, job: Job, comm: Comm, models: int, clients: int) -> None:
        fed, self.parts, self.comm, self.models = job.federated, parts, comm, models
        self.aggregator, self.weighting, self.bound = fed.aggregator, fed.weighting, fed.bound
        self.gather = fed.exchange == "gather"
        self.lengths = [size if p.size == "w" else 1 for p in parts]
        self.ends = (np.cumsum([0, *self.lengths]) * models).tolist()
        kinds = [self.weighting or p.weight for p in parts]
        self.kinds = tuple(dict.fromkeys(kinds))
        self.pieces = list(zip([p.name for p in parts], kinds, self.ends[:-1], self.ends[1:], strict=True))
        self.last: Vectors = {}
        self.rooms: dict[str, Room] = {}
        if self.aggregator.stack:
            self.last = {p.name: np.zeros((models, n)) for p, n in zip(parts, self.lengths, strict=True)}
            self.slices = {n: Slices(n, comm) for n in set(self.lengths)}
        elif parts and not self.gather:
            self.rooms = {p.name: Room() for p in parts}
            self.sum = summer(comm, self._words(clients), np.dtype(np.int64), purpose="updates")
        self.clients, self.cuts = 0, dict[int, Cut]()  # views for the next round of so many clients

    def empty(self, clients: int, dtype: np.typing.DTypeLike) -> Vectors:
        """Return room for the messages of `clients` clients: vectors in `dtype`, numbers in float64.

        Where they are added up, those before are over then.
        """
        return {
            p.name: (self.rooms.get(p.name) or Room()).take((clients, n), dtype if p.size == "w" else np.float64)
            for p, n in zip(self.parts, self.lengths, strict=True)
        }

    def message_bytes(self, itemsize: int) -> int:
        """Return the bytes of a client's message, as a deployment would send it."""
        sizes = zip(self.parts, self.lengths, strict=True)
        return sum(n * itemsize if p.size == "w" else 8 for p, n in sizes)

    def weights(self, part: Part, rows: np.ndarray) -> np.ndarray:
        """Return the weight of each client in the mean of a part."""
        return rows if (self.weighting or part.weight) == "rows" else np.ones(rows.size)

    def send(self, messages: Iterable[Messages], cohort: Cohort, rider: Rider) -> tuple[Vectors, np.ndarray]:
        """Bring the messages together (collective).

        Parameters
        ----------
        messages : iterable of (places, out, stats)
            This rank's clients, a slab at a time, all of them in the order of ``cohort.places``: their
            places in the cohort; their messages, (clients, length) each; and stats, (clients, 4) float64:
            loss sum, loss weight, 1 for an accepted client or 0, and the number of its model.
            Making them may fail.
        cohort : Cohort
        rider : Rider
            Comes back with what rank 0 knows of all ranks.

        Returns
        -------
        got, stats
            On rank 0 the combined message ({} if nobody is left), (length,) or with several models
            (models, length) each, and the whole cohort's stats.
        """
        if not (self.aggregator.stack or self.gather):
            return self._summed(messages, cohort, rider)
        with self.comm.together(TRAINING):
            out, stats = _joined(messages)
        rider.known = self.comm.sum(rider.own.copy(), "updates")
        return (self._sliced if self.aggregator.stack else self._gathered)(out, stats, cohort)

    def _summed(self, messages: Iterable[Messages], cohort: Cohort, rider: Rider) -> tuple[Vectors, np.ndarray]:
        """Add all up in one sum: the updates, the rider, the stats as bit patterns, of which the others add zeros."""
        clients, scales = cohort.ids.size, self._scales(cohort)
        mine, sums, last, bits = self._cut(self.sum.mine, clients)
        mine[:] = 0

        def add() -> None:
            for places, out, stats in messages:
                self._add(out, cohort.rows[places], stats, scales, sums)
                kernels.put(stats, places, bits)

        rider.run(TRAINING, add)
        last[:] = rider.own
        self.sum.finish(mine.size)
        _, sums, rider.known, bits = self._cut(self.sum.total, clients)
        stats, got = bits.view(np.float64), None
        if self.comm.rank == 0:
            got = rider.run("adding updates up", lambda: self._means(sums, stats, scales, cohort))
        return got or {}, stats

    def _words(self, clients: int) -> int:
        """Return the length of a sum of the updates of so many clients."""
        return int(self.ends[-1]) + RIDER + clients * STATS

    def _cut(self, words: np.ndarray, clients: int) -> Cut:
        """Return the words of a sum that are used, and of these the updates, the rider, and stats (clients, STATS)."""
        if clients != self.clients:
            self.clients, self.cuts = clients, {}
        if id(words) not in self.cuts:
            used, head = words[: self._words(clients)], self.ends[-1]
            parts = used[:head], used[head : head + RIDER], used[head + RIDER :].reshape(-1, STATS)
            self.cuts[id(words)] = used, *parts
        return self.cuts[id(words)]

    def _add(self, out: Vectors, rows: np.ndarray, stats: np.ndarray, scales: Numbers, total: np.ndarray) -> None:
        shares = self._shares(rows, stats)
        for name, kind, a, b in self.pieces:
            for weights, sums in zip(shares[kind], total[a:b].reshape(self.models, -1), strict=True):
                fixed.add(out[name], weights, scales[kind], sums)

    def _shares(self, rows: np.ndarray, stats: np.ndarray) -> Vectors:
        """Return the weight of each client in each model's mean, (models, clients), for each kind of weight."""
        found = {kind: np.empty((self.models, rows.size)) for kind in self.kinds}
        for kind, out in found.items():
            kernels.shares(stats[:, ACCEPTED:], rows if kind == "rows" else np.ones(rows.size), out)
        return found

    def _scales(self, cohort: Cohort) -> Numbers:
        """Return the scale of the sums for each kind of weight."""
        total, most = cohort.total, cohort.ids.size
        return {kind: fixed.scale(total if kind == "rows" else most, self.bound) for kind in self.kinds}

    def _means(self, total: np.ndarray, stats: np.ndarray, scales: Numbers, cohort: Cohort) -> Vectors:
        weights = np.empty((2, self.models))
        kernels.weigh(stats[:, ACCEPTED:], cohort.rows, weights)
        shares = dict(zip(("rows", "one"), weights.tolist(), strict=True))
        if not all(any(shares[kind]) for kind in self.kinds):
            return {}
        per = {kind: [(w or 1.0) * scales[kind] for w in shares[kind]] for kind in self.kinds}  # 2^s
        if self.models == 1:
            return {name: fixed.over(total[a:b], per[kind][0]) for name, kind, a, b in self.pieces}
        return {n: total[a:b].reshape(self.models, -1) / np.array(per[kind])[:, None] for n, kind, a, b in self.pieces}

    def _gathered(self, out: Vectors, stats: np.ndarray, cohort: Cohort) -> tuple[Vectors, np.ndarray]:
        order = np.concatenate(cohort.places)
        whole = _in_order(self.comm.gather(stats, purpose="updates"), STATS, order)
        every = {
            p.name: _in_order(self.comm.gather(out[p.name], purpose="updates"), n, order)
            for p, n in zip(self.parts, self.lengths, strict=True)
        }
        if self.comm.rank != 0:
            return {}, whole
        total = np.zeros(self.ends[-1], np.int64)
        scales = self._scales(cohort)
        self._add(every, cohort.rows, whole, scales, total)
        return self._means(total, whole, scales, cohort), whole

    def _sliced(self, out: Vectors, stats: np.ndarray, cohort: Cohort) -> tuple[Vectors, np.ndarray]:
        """Let the aggregator combine each part; a model with too few updates for it stays (collective)."""
        order, got = np.concatenate(cohort.places), dict[str, np.ndarray]()
        whole = _in_order([self.comm.allgatherv(stats, "updates")], STATS, order)
        members = [(whole[:, MODEL] == m) & (whole[:, ACCEPTED] > 0) for m in range(self.models)]
        able = [m for m in range(self.models) if members[m].sum() >= self.aggregator.needs()]
        for part, length in zip(self.parts if able else (), self.lengths, strict=False):
            slices, got[part.name] = self.slices[length], np.zeros((self.models, length))
            v, weights = slices.spread(out[part.name], order), self.weights(part, cohort.rows)
            for m in able:
                mine, last = members[m], slices.own(self.last[part.name][m])
                own = self.aggregator.combine(v[mine].astype(np.float64), weights[mine], last, slices.squares)
                got[part.name][m] = self.last[part.name][m] = slices.join(own)
        one = got if self.models > 1 else {name: v[0] for name, v in got.items()}
        return (one if self.comm.rank == 0 else {}), whole


def _joined(messages: Iterable[Messages]) -> tuple[Vectors, np.ndarray]:
    """Return the messages and stats of all slabs."""
    _, outs, stats = zip(*messages, strict=True)
    return {name: np.concatenate([out[name] for out in outs]) for name in outs[0]}, np.concatenate(stats)


def _in_order(pieces: list[np.ndarray], length: int, order: np.ndarray) -> np.ndarray:
    """Return the rows of all ranks in the order of the cohort; no rows off rank 0."""
    if not pieces:
        return np.empty((0, length))
    flat = np.concatenate([p.reshape(-1, length) for p in pieces])
    out = np.empty_like(flat)
    out[order] = flat
    return out
