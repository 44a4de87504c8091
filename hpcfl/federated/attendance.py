"""Who of the drawn clients answers in time, and after how many steps: the same on every rank, without a message."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from hpcfl.sections.federated import Federated


class Answers(NamedTuple):
    """What comes of the clients that were drawn.

    Attributes
    ----------
    there : (m,) bool
        Whose update the server gets in time.
    steps : (m,) int64
        Local steps that each one makes.
    seconds : (rounds,) list of float
        Simulated time until the server has what it waits for.
    """

    there: np.ndarray
    steps: np.ndarray
    seconds: list[float]


def attend(
    fed: Federated,
    rngs: Iterable[np.random.Generator],
    bounds: list[int],
    steps: np.ndarray,
    epochs: int,
    pace: np.ndarray,
    wanted: list[int],
) -> Answers:
    """Play rounds for the `m` clients in all that were drawn for them.

    Drop-outs never answer, stragglers do a part of their work; of the rest the first `wanted`
    to arrive before the deadline are kept.

    Parameters
    ----------
    fed : Federated
        Its drop-out, stragglers, deadline and clock.
    rngs : (rounds,) iterable of Generator
        Of each round, used before the next is asked for.
    bounds : (rounds + 1,) list of int
        Where each round's clients begin in what follows.
    steps : (m,) int64
        Full work of each client.
    epochs : int
        Passes that `steps` are; 0 if it is a number of steps.
    pace : (m,) float64
        The standard normal draw that is each client's own for ever.
    wanted : (rounds,) list of int
        Updates that the server waits for.
    """
    chance, luck = np.empty((2, steps.size))
    slow, done = np.zeros(steps.size, bool), steps.copy()
    for rng, (a, b) in zip(rngs, pairwise(bounds), strict=True):
        rng.random(out=chance[a:b])
        rng.standard_normal(out=luck[a:b])
        if fed.stragglers.fraction:
            slow[a:b], done[a:b] = _straggle(fed.stragglers.fraction, rng, steps[a:b], epochs)
    there, times = chance >= fed.dropout, fed.clock.seconds(done, pace, luck)
    plain = not (fed.dropout or fed.stragglers.fraction or fed.deadline.seconds)
    seconds = [
        max(times[a:b].tolist(), default=0.0)
        if plain and n == b - a
        else _end(fed, times[a:b], slow[a:b], n, there[a:b])
        for n, (a, b) in zip(wanted, pairwise(bounds), strict=True)
    ]
    return Answers(there, done, seconds)


def _end(fed: Federated, times: np.ndarray, slow: np.ndarray, wanted: int, there: np.ndarray) -> float:
    """Return when the server has what it waits for in a round; only those that it has got stay `there`."""
    limit = fed.deadline.seconds or np.inf
    times[slow] = min(times.max(initial=0.0), limit)  # they stop because the round ends
    there &= (times <= limit) & ~(slow & (fed.stragglers.work == "drop"))
    order = np.argsort(times, kind="stable")
    first = order[there[order]][:wanted]
    there[:] = False
    there[first] = True
    return float(times[first].max(initial=0.0) if first.size == wanted or limit == np.inf else limit)


def _straggle(
    fraction: float, rng: np.random.Generator, steps: np.ndarray, epochs: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return which clients are stragglers, and the steps that all make.

    As the authors of FedProx have it, a straggler does 1 to E - 1 of its E epochs, uniformly; of one
    epoch, or of a number of steps, it does 1 to K - 1 of the K steps.
    """
    slow = np.zeros(steps.size, bool)
    slow[rng.choice(steps.size, round(fraction * steps.size), replace=False)] = True
    share = rng.random(steps.size)
    unit = steps // epochs if epochs > 1 else np.ones_like(steps)
    parts = steps // unit
    done = 1 + (share * np.maximum(parts - 1, 1)).astype(np.int64)
    return slow, np.where(slow, done * unit, steps)
