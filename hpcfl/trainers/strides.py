"""Many steps in one call of a kernel, for models so small that Python takes as long between steps as they do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hpcfl.comm.summer import SMALL, Allreduce, EachSum, Summer
from hpcfl.config import Job
from hpcfl.kernels import updates
from hpcfl.kernels.strides import Meeting, Moves, Rows, stride
from hpcfl.kernels.typed import Typed, entry
from hpcfl.trainers.gradients import PlainSums, Sums
from hpcfl.trainers.order import Batches, Order
from hpcfl.trainers.stepper import Stepper
from hpcfl.trainers.summing import batch_rows

LEAST, STEPS, ROWS = 4, 64, 1 << 16  # steps of a stride, at least and at most; rows of one, over all ranks, at most


class Strides:
    """Makes the steps that `PlainSums.add` and `Stepper.step` make, with the same bits.

    Parameters
    ----------
    gradient : PlainSums
        Its sum is of one rank, or an `EachSum`.
    stepper : Stepper
        Without clipping.
    order : Order
    size : int
        Rows of a step, over all ranks.
    every : int
        After so many steps a checkpoint may be asked for; 0 is never.
    """

    def __init__(self, gradient: PlainSums, stepper: Stepper, order: Order, size: int, every: int) -> None:
        self.sum, self.stepper, self.order, self.every = gradient.sum, stepper, order, every
        local = gradient.local
        self.most = min(STEPS, ROWS // size)
        self.rows = Rows(local.x, local.y, local.affine, local.spec, local.work)
        w, total = stepper.w, self.sum.total
        given, kind = (w, *self.rows[:2], order.rows[0], *self.rows[2:], total), w.dtype.type
        self.calls = (
            Typed(local.kernel, "float64", *given),
            Typed(updates.finish, "float64", total, kind(1), w, stepper.penalized, kind(1), stepper.grad),
            Typed(stepper.kernel, "void", w, total, 1.0, stepper.state, stepper.hyper, 0.1, 1),
        )
        self.kernel: Callable[..., None] = entry(stride, *self._given(0, 0, np.zeros(3, np.int64), np.zeros(0)))

    def length(self, step: int) -> int:
        """Return how many steps to make at once from `step` of the epoch on, 1 if one by one; on all ranks the same."""
        left = self.order.steps - 1 - step  # the last one may have fewer rows
        due = self.every - self.stepper.t % self.every if self.every else left
        n = min(left, due, self.most)
        return n if n >= LEAST else 1

    def make(self, step: int, n: int, stop: bool) -> None:
        """Make `n` steps from `step` of the epoch on; `stop` is this rank's vote, given with the last (collective).

        Raises
        ------
        DivergedError
            As `Stepper.step`.
        """
        stepper, done = self.stepper, np.array([0, 0, stop])
        rates = np.array(stepper.rates(stepper.t, n))
        given = self._given(step, n, done, rates)
        self.kernel(*given)
        while done[1] and isinstance(self.sum, EachSum):  # others are late
            self.sum.gate.wait(self.sum.gate.turn + int(done[0]) + 1)
            self.kernel(*given)
        made = int(done[0])
        if isinstance(self.sum, EachSum):
            self.sum.passed(made, self.sum.total.size)
        stepper.took(made, float(rates[made - 1]), self.sum.total)

    def _given(self, step: int, n: int, done: np.ndarray, rates: np.ndarray) -> tuple[Any, ...]:
        stepper, total = self.stepper, self.sum.total
        if isinstance(self.sum, EachSum):
            gate = self.sum.gate
            meeting = Meeting(gate.words, gate.node.rank, gate.turn, self.sum.sides, total)
        else:
            meeting = Meeting(np.zeros((0, 1, 1), np.int64), 0, 0, total[None, None], total)
        w, l2 = stepper.w, stepper.w.dtype.type(stepper.l2)
        moves = Moves(
            w, stepper.state, stepper.hyper, rates, stepper.t, stepper.grad, stepper.penalized, l2, stepper.sums
        )
        return *self.calls, self.rows, self.order.rows[step : step + n], done, meeting, moves


def strides(job: Job, gradient: Sums, stepper: Stepper, order: Batches, rows: int) -> Strides | None:
    """Return what makes several steps at once, of `rows` in all; None if they are to be made one by one."""
    if not isinstance(gradient, PlainSums) or not isinstance(order, Order) or stepper.section.clip_norm:
        return None
    if not near(gradient.sum) or stepper.size > SMALL or gradient.local.weighted:
        return None
    size, every = batch_rows(job, rows), job.checkpoint.every_steps
    if min(ROWS // size, order.steps - 1, every or STEPS) < LEAST:  # nothing is compiled that will not be called
        return None
    return Strides(gradient, stepper, order, size, every)


def near(way: Summer) -> bool:
    """Return whether a kernel can sum this way by itself."""
    return isinstance(way, EachSum) or (isinstance(way, Allreduce) and way.comm.size == 1)
