"""Which local rows a rank takes at each step of an epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpcfl.data.plan import Plan
from hpcfl.kernels import order as kernels
from hpcfl.seeding import key


@dataclass(frozen=True)
class Epoch:
    """The order of one epoch.

    Attributes
    ----------
    rows : (steps, strata) int32
        Local row that each of the rank's strata gives to each step.
    last : int
        Strata that have a row left for the last step; the ones before it have one in every.
    """

    rows: np.ndarray
    last: int

    def batch(self, step: int) -> np.ndarray:
        """Return the rank's rows of a step, (m,) int32; m may be 0 in the last step."""
        return self.rows[step, : self.last] if step == len(self.rows) - 1 else self.rows[step]


class Order:
    """The orders of all epochs, each from (seed, epoch, stratum) alone."""

    def __init__(self, plan: Plan, rank: int, seed: int) -> None:
        self.first, end = plan.owned(plan.strata, rank)
        bounds = plan.strata[self.first : end + 1]
        self.starts, self.lengths = bounds[:-1] - bounds[0], np.diff(bounds)
        # The first strata are the longer ones, on every rank: see plan.strata_bounds.
        self.steps = int(plan.strata[1] - plan.strata[0])
        self.last = int((self.lengths == self.steps).sum())
        self.rows = np.empty((self.steps, len(self.lengths)), np.int32)
        self.seed = seed

    def epoch(self, epoch: int) -> Epoch:
        """Return the order of an epoch; it is valid until the next call."""
        stream = key(self.seed, "order", epoch)
        kernels.strata(stream, self.first, self.starts, self.lengths, self.rows)
        return Epoch(self.rows, self.last)
