"""Who of the drawn clients answers in time, and after how many steps: the same on every rank, without a message."""

from __future__ import annotations

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
    seconds : float
        Simulated time until the server has what it waits for.
    """

    there: np.ndarray
    steps: np.ndarray
    seconds: float


def attend(
    fed: Federated, rng: np.random.Generator, steps: np.ndarray, epochs: int, pace: np.ndarray, wanted: int
) -> Answers:
    """Play a round for the `m` clients that were drawn for it.

    Drop-outs never answer, stragglers do a part of their work; of the rest the first `wanted`
    to arrive before the deadline are kept.

    Parameters
    ----------
    fed : Federated
        Its drop-out, stragglers, deadline and clock.
    rng : Generator
        Of this round.
    steps : (m,) int64
        Full work of each client.
    epochs : int
        Passes that `steps` are; 0 if it is a number of steps.
    pace : (m,) float64
        The standard normal draw that is each client's own for ever.
    wanted : int
        Updates that the server waits for.
    """
    there = rng.random(steps.size) >= fed.dropout
    luck = rng.standard_normal(steps.size)
    limit = fed.deadline.seconds or np.inf
    slow, steps = _straggle(fed.stragglers.fraction, rng, steps, epochs)
    times = fed.clock.seconds(steps, pace, luck)
    if wanted == steps.size and not (fed.dropout or fed.stragglers.fraction or fed.deadline.seconds):
        return Answers(there, steps, max(times.tolist(), default=0.0))
    times[slow] = min(times.max(initial=0.0), limit)  # they stop because the round ends
    there &= (times <= limit) & ~(slow & (fed.stragglers.work == "drop"))
    order = np.argsort(times, kind="stable")
    first = order[there[order]][:wanted]
    there[:] = False
    there[first] = True
    end = times[first].max(initial=0.0) if first.size == wanted or limit == np.inf else limit
    return Answers(there, steps, float(end))


def _straggle(
    fraction: float, rng: np.random.Generator, steps: np.ndarray, epochs: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return which clients are stragglers, and the steps that all make.

    As the authors of FedProx have it, a straggler does 1 to E - 1 of its E epochs, uniformly; of one
    epoch, or of a number of steps, it does 1 to K - 1 of the K steps.
    """
    slow = np.zeros(steps.size, bool)
    if not fraction:
        return slow, steps
    slow[rng.choice(steps.size, round(fraction * steps.size), replace=False)] = True
    share = rng.random(steps.size)
    unit = steps // epochs if epochs > 1 else np.ones_like(steps)
    parts = steps // unit
    done = 1 + (share * np.maximum(parts - 1, 1)).astype(np.int64)
    return slow, np.where(slow, done * unit, steps)
