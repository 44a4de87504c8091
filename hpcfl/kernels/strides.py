"""Steps of synchronous SGD, many in one call: for a small model Python takes as long between steps as they do."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from hpcfl.kernels.flags import exact, exact_part
from hpcfl.kernels.gate import meet
from hpcfl.kernels.lent import lent
from hpcfl.kernels.prefetch import prefetch_rows
from hpcfl.kernels.publish import publish
from hpcfl.kernels.sums import add_rows

AHEAD = 8  # rows of the next step that are asked for before it


class Rows(NamedTuple):
    """The rank's rows, and scratch, as ``loss_grad`` takes them."""

    x: np.ndarray
    y: np.ndarray
    affine: np.ndarray
    spec: np.ndarray
    work: np.ndarray


class Meeting(NamedTuple):
    """Where the ranks' vectors meet; each ends with weight, loss, errors and votes.

    Attributes
    ----------
    words : (rounds, ranks, n) int64
        Of the gate.
    rank, turn : int
        This rank, and how often they have met.
    sides : (2, ranks, P + 4), or (1, 1, P + 4) of one rank
        Vectors of all ranks, in even turns and in odd ones.
    total : (P + 4,)
        Their sum; first a rank's own vector.
    """

    words: np.ndarray
    rank: int
    turn: int
    sides: np.ndarray
    total: np.ndarray


class Moves(NamedTuple):
    """What moves, and how.

    Attributes
    ----------
    w, state, hyper
        As the optimizer's step takes them.
    rates : (n,) float64
        Learning rates.
    t : int
        Steps made before.
    grad : (P,)
        Scratch.
    penalized, l2
        As `updates.finish` takes them.
    sums : (3,) float64
        Weight, loss and weighted penalty are added.
    """

    w: np.ndarray
    state: np.ndarray
    hyper: np.ndarray
    rates: np.ndarray
    t: int
    grad: np.ndarray
    penalized: np.ndarray
    l2: float
    sums: np.ndarray


@exact_part
def _write(loss_grad, rows, batch, w, vote, mine):
    """Write the gradient of a batch, and behind it weight, loss, errors and vote, into `mine` (P + 4,)."""
    loss = loss_grad(w, rows.x, rows.y, batch, rows.affine, rows.spec, rows.work, mine[: w.size])
    mine[w.size], mine[w.size + 1], mine[w.size + 2], mine[w.size + 3] = batch.size, loss, 0, vote


@exact_part
def _move(finish, step, total, weight, i, moves):
    """Move the parameters by the sums of step `i` over all ranks, and return the penalty."""
    grad, scale, penalty = total[: moves.w.size], 1 / weight, 0.0
    if moves.l2 != 0:
        penalty = finish(total, moves.w.dtype.type(scale), moves.w, moves.penalized, moves.l2, moves.grad)
        grad, scale = moves.grad, 1.0
    step(moves.w, grad, scale, moves.state, moves.hyper, moves.rates[i], moves.t + i + 1)
    return penalty


@exact
def stride(loss_grad, finish, step, rows, batches, done, meeting, moves):
    """Make a step with each of the batches, as `hpcfl.trainers.gradients` and `stepper` do one by one.

    Parameters
    ----------
    loss_grad, finish, step : typed functions
        Of the model, of `updates`, of the optimizer: the machine code of single steps, as a copy made for this kernel
        may add in another order.
    rows : Rows
    batches : (n, m) int32
        Rows of each step.
    done : (3,) int64
        Steps that were made; whether the gradient of the next one is written; whether this rank votes in the last
        step. The first two change: if the others keep this rank waiting it comes back, to be called again.
    meeting : Meeting
    moves : Moves
        After a loss that is not finite no further step is made.
    """
    rows, meeting, moves = lent(rows), lent(meeting), lent(moves)
    size, total, n = moves.w.size, meeting.total, batches.shape[0]
    while done[0] < n:
        i = done[0]
        side = meeting.sides[(meeting.turn + i) % meeting.sides.shape[0]]
        if done[1] == 0:
            _write(loss_grad, rows, batches[i], moves.w, done[2] if i == n - 1 else 0, total)
            if side.shape[0] > 1:
                publish(total, side[meeting.rank])
            done[1] = 1
            if i + 1 < n:
                prefetch_rows(rows.x, batches[i + 1, :AHEAD])  # they come while the ranks meet
        if side.shape[0] > 1:
            if not meet(meeting.words, meeting.rank, meeting.turn + i + 1):
                return
            add_rows(side, 0, total.size, total)
        done[0], done[1] = i + 1, 0
        weight, loss = np.float64(total[size]), np.float64(total[size + 1])
        if not math.isfinite(loss):
            return
        if weight > 0:
            penalty = _move(finish, step, total, weight, i, moves)
            moves.sums[0] += weight
            moves.sums[1] += loss
            moves.sums[2] += penalty * weight
