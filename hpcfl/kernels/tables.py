"""What the local loop takes, grouped: clients, runs, solver, buffers.

Vectors are named by number: ``v >= 0`` is ``own[v, client]``, ``v < 0`` is ``shared[-1 - v]``,
and `NONE` is no vector.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NONE = -(1 << 30)


class Clients(NamedTuple):
    """Rows grouped by client.

    Attributes
    ----------
    x, y, affine, spec
        As ``loss_grad`` takes them.
    rows : (m,) int32
        Row numbers of `x`, client after client.
    starts : (clients + 1,) int64
        Where each client's rows start in `rows`.
    weighted : bool
        Whether a row has a weight other than 1.
    """

    x: np.ndarray
    y: np.ndarray
    affine: np.ndarray
    spec: np.ndarray
    rows: np.ndarray
    starts: np.ndarray
    weighted: bool


class Plan(NamedTuple):
    """The runs, one a row, as ``hpcfl.federated.types.Run`` says them.

    Attributes
    ----------
    vectors : (runs, 7) int64
        start, out, anchor, drift, ref (vector numbers), inner, steps.
    numbers : (runs, 3) float64
        mu, follow, look.
    still : (k, 3) int64
        run, first, last + 1: coordinates that do not move.
    """

    vectors: np.ndarray
    numbers: np.ndarray
    still: np.ndarray


class Solver(NamedTuple):
    """The local optimizer and the sizes of a step.

    Attributes
    ----------
    hyper : float64 array
        The optimizer's own.
    penalized : (k, 2) int64
        Ranges that the L2 penalty applies to.
    rate, l2, clip : float
        Learning rate, penalty, largest gradient norm (0: none).
    batch : int
        Rows of a step.
    ghost : bool
        Whether the ghost coordinate is followed (linear optimizers).
    """

    hyper: np.ndarray
    penalized: np.ndarray
    rate: float
    l2: float
    clip: float
    batch: int
    ghost: bool


class Task(NamedTuple):
    """The clients that work, what on, and what comes of it.

    Attributes
    ----------
    who : (c,) int64
        By their place in `Clients.starts`.
    streams : (c,) uint64
        Key of each client's row orders.
    steps : (c,) int64
        Steps of each client.
    shared : (vectors, P)
        What the server told.
    own : (vectors, c, P)
        The clients' own; changed.
    stats : (c, 3) float64
        Loss sum and weight sum over the steps of run 0, end of the ghost coordinate; overwritten.
    """

    who: np.ndarray
    streams: np.ndarray
    steps: np.ndarray
    shared: np.ndarray
    own: np.ndarray
    stats: np.ndarray


class Scratch(NamedTuple):
    """Buffers, kept between rounds: of the model, (3, P) gradients, the optimizer, row orders.

    `ghost` is (2 + slots, 1): coordinate, gradient, optimizer state of the ghost.
    """

    work: np.ndarray
    grads: np.ndarray
    state: np.ndarray
    ghost: np.ndarray
    order: np.ndarray
