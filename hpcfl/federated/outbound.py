"""What happens to a message on its client, in this order: attack, error feedback, compressor, bound."""

from __future__ import annotations

import numpy as np

from hpcfl import compressors
from hpcfl.comm.communicator import Comm
from hpcfl.config import Job
from hpcfl.federated import fixed
from hpcfl.federated.attackers import Attackers
from hpcfl.federated.bank import Bank
from hpcfl.federated.population import Population
from hpcfl.federated.types import Vectors
from hpcfl.layout import Layout
from hpcfl.schema import name_of
from hpcfl.seeding import key

GOLD = np.uint64(0x9E3779B97F4A7C15)


class Outbound:
    """The way of a rank's messages to the sum; in a simulation they arrive where they are sent.

    Vectors are compressed without the coordinates that never leave a client; numbers beside
    them, and answers before training, travel as they are.

    Attributes
    ----------
    keeps : dict
        What clients remember of it: the losses of the compressor, by part.
    bytes : int
        Length of a message.
    """

    def __init__(self, job: Job, layout: Layout, people: Population, comm: Comm) -> None:
        fed = job.federated
        self.seed, self.bound, self.code = job.seed, fed.bound, fed.compressor
        stay = fed.strategy.local(tuple(layout.shapes))
        self.layout = Layout({name: shape for name, shape in layout.shapes.items() if name not in stay})
        self.leaves = ~layout.mask(stay) if stay else slice(None)
        self.compresses = name_of(self.code) != "none"
        self.vectors = [p.name for p in fed.strategy.sends if p.size == "w"]
        self.keeps = {f"lost {name}": "zeros" for name in self.vectors} if fed.error_feedback else {}
        self.attackers = Attackers(job, people, comm)
        self.bytes = 8 * (len(fed.strategy.sends) - len(self.vectors))
        self.bytes += len(self.vectors) * message_bytes(self.code, self.layout, job.model.dtype)

    def send(self, out: Vectors, bank: Bank, r: int, ids: np.ndarray, cohort: np.ndarray, comm: Comm) -> np.ndarray:
        """Turn the messages `out` of the clients `ids` into what arrives, in place (collective if attackers talk).

        Returns
        -------
        (clients,) bool
            Whose message is finite and within the bound.
        """
        vectors = {name: out[name][:, self.leaves] for name in self.vectors}
        if self.attackers.talk:
            self.attackers.forge(vectors, ids, cohort, self._keys(ids, "forge", r), comm)
        fine = fixed.within([vectors.get(name, v) for name, v in out.items()], self.bound)
        if ids.size and self.compresses:
            for k, (name, v) in enumerate(vectors.items()):
                v[~fine] = 0  # a code may not end on what is not finite
                self._compress(v, bank, name, self._keys(ids, "code", r, k))
            fine &= fixed.within(list(vectors.values()), self.bound)
        if not isinstance(self.leaves, slice):  # else they are views
            for name, v in vectors.items():
                out[name][:, self.leaves] = v
        return fine

    def _keys(self, ids: np.ndarray, purpose: str, *at: int) -> np.ndarray:
        return np.asarray(key(self.seed, purpose, *at) + GOLD * (ids.astype(np.uint64) + np.uint64(1)))

    def _compress(self, v: np.ndarray, bank: Bank, name: str, keys: np.ndarray) -> None:
        lost = bank[f"lost {name}"][:, self.leaves] if self.keeps else None
        compressors.through(self.code, v, keys, self.layout, lost)
        if lost is not None:
            bank[f"lost {name}"][:, self.leaves] = lost


def message_bytes(code: object, layout: Layout, dtype: np.typing.DTypeLike) -> int:
    """Return the bytes of a vector's message by sending one, which compiles what the code needs as well."""
    v = np.zeros((1, layout.size), dtype)
    return compressors.row_bytes(compressors.through(code, v, np.zeros(1, np.uint64), layout, None))
