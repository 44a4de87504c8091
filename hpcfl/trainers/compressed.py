"""The gradient of a batch from compressed messages: one a group of its rows, whatever the ranks."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from hpcfl import compressors
from hpcfl.comm.communicator import Comm
from hpcfl.data.batch import Batch
from hpcfl.layout import Layout
from hpcfl.sections.running import Communication
from hpcfl.seeding import key
from hpcfl.trainers.gradients import STOP, TALLY, Local, Sums, safely

GOLD = np.uint64(0x9E3779B97F4A7C15)


class CompressedSums(Sums):
    """Each group's gradient is a message; every rank decodes all of them and adds them in their order.

    A message of several groups' sum would depend on which rank has which groups. So a rank
    receives as many messages as there are groups, and each group remembers what its messages lost.

    Parameters
    ----------
    local : Local
    runs : (ranks + 1,) int array
        Bounds of each rank's run of groups.
    bounds : (k + 1,) int array
        Of this rank's groups, in its strata.
    comm : Comm
    section : Communication
        The compressor.
    seed : int
    layout : Layout
    """

    def __init__(
        self,
        local: Local,
        runs: np.ndarray,
        bounds: np.ndarray,
        comm: Comm,
        section: Communication,
        seed: int,
        layout: Layout,
    ) -> None:
        self.local, self.bounds, self.comm = local, bounds, comm
        self.code, self.seed, self.layout = section.compressor, seed, layout
        self.groups = np.arange(runs[comm.rank], runs[comm.rank + 1])
        kind = local.work.dtype
        self.total = np.zeros(layout.size + TALLY, kind)
        self.v = np.zeros((self.groups.size, layout.size), kind)
        self.tally = np.zeros((self.groups.size, TALLY), kind)
        self.one, self.row = np.zeros_like(self.total), np.zeros((1, layout.size), kind)
        self.lost = np.zeros_like(self.v) if section.error_feedback else None
        self.t, self.error = 0, None
        sample = [self.tally[:1], *compressors.through(self.code, self.row, np.zeros(1, np.uint64), layout, None)]
        self.kinds = [b.dtype for b in sample]
        self.ends = np.cumsum([0] + [b.itemsize * b.shape[1] for b in sample])
        self.every = np.empty((int(runs[-1]), self.ends[-1]), np.uint8)
        self.counts = np.diff(runs) * self.ends[-1]

    def add(self, w: np.ndarray, batch: Batch, stop: bool = False) -> None:
        """See `Sums.add`."""
        self.error = None
        for g, (a, b) in enumerate(pairwise(batch.ends[self.bounds])):
            error = safely(self.local, w, batch, slice(a, b), self.one)
            self.one[self.layout.size + STOP] = stop
            self.v[g], self.tally[g] = np.split(self.one, [self.layout.size])
            self.error = self.error or error
        keys = key(self.seed, "code", self.t) + GOLD * (self.groups.astype(np.uint64) + np.uint64(1))
        self.t += 1
        with np.errstate(all="ignore"):  # the loss shows what is not finite
            buffers = [self.tally, *compressors.through(self.code, self.v, keys, self.layout, self.lost)]
        packed = np.concatenate([np.ascontiguousarray(b).view(np.uint8) for b in buffers], axis=1)
        self.comm.share(packed.reshape(-1), self.every.reshape(-1), self.counts, "gradient")
        self._decode()

    def _decode(self) -> None:
        self.total[:] = 0
        for message in self.every:
            pieces = np.split(message, self.ends[1:-1])
            tally, *buffers = (p.copy().view(kind)[None] for p, kind in zip(pieces, self.kinds, strict=True))
            with np.errstate(all="ignore"):
                self.code.decode(tuple(buffers), self.row, self.layout)
            self.total[: self.layout.size] += self.row[0]
            self.total[self.layout.size :] += tally[0]

    def own(self) -> dict[str, np.ndarray]:
        """See `Sums.own`."""
        return {} if self.lost is None else {"groups": self.groups, "lost": self.lost}

    def restore(self, t: int, own: Mapping[str, list[np.ndarray]]) -> None:
        """See `Sums.restore`."""
        self.t = t
        for groups, lost in zip(own.get("groups", []), own.get("lost", []), strict=True):
            assert self.lost is not None
            mine = np.isin(groups, self.groups)
            self.lost[groups[mine] - self.groups[0]] = lost[mine]
