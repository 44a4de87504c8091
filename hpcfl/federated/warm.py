"""Every kernel that a round calls, called once."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpcfl.comm import summer
from hpcfl.config import Job
from hpcfl.federated import fixed
from hpcfl.federated.bank import Bank
from hpcfl.federated.cohort import deal
from hpcfl.federated.downlink import ACCEPTED, MODEL, STATS
from hpcfl.federated.local import Local
from hpcfl.federated.outbound import message_bytes
from hpcfl.federated.population import Population
from hpcfl.federated.types import Run
from hpcfl.kernels.deal import worked
from hpcfl.kernels.fixed import put, settle, shares, totals, weigh
from hpcfl.kernels.slots import read_rows, write_rows


def warm(job: Job, objective: Any, people: Population) -> None:
    """Compile, or load, them (local)."""
    local, none = Local(job, objective, people), np.empty(0, np.int64)
    shared = np.zeros((1, objective.layout.size), objective.dtype)
    local.run(none, none.astype(np.uint64), none, (Run(),), Bank({"w": 0}, shared, 0, 0, objective.layout), 0.1)
    local.losses(none, shared)
    message_bytes(job.federated.compressor, objective.layout, objective.dtype)
    for vectors in (shared, np.zeros((1, 1))):
        fine = fixed.within([vectors], 1.0)
        fixed.add(vectors, np.ones(1), 1.0, np.zeros(vectors.shape[1], np.int64))
    fixed.over(np.zeros(1, np.int64), 1.0)
    summer.warm(np.dtype(np.int64))
    stats = np.zeros((1, STATS))
    settle(stats[:, :MODEL], fine)
    put(stats, np.zeros(1, np.int64), np.zeros((1, STATS), np.int64))
    totals(stats)
    shares(stats[:, ACCEPTED:], np.ones(1), np.empty((1, 1)))
    weigh(stats[:, ACCEPTED:], np.ones(1), np.empty((2, 1)))
    job.federated.strategy.warm(shared[0])
    deal(none, np.empty(0), none, np.zeros(2, np.int64))
    worked(none, none, none, 1, none, np.empty((0, 2), np.int64))
    read_rows(none.astype(np.int32), none, 1, 0, np.empty((0, 1), np.uint8))
    write_rows(0, none, 1, 0, np.empty((0, 1), np.uint8))
