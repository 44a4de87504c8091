"""Attacks: what bad clients send, to test aggregators with.

An attack is a frozen dataclass with ``clients``, how many are bad, and one of two ways: with
``poisons`` it changes the targets of its rows, ``targets(y, classes) -> y``; otherwise the message,
``forge(v, seen, keys) -> v`` (bad clients, P). ``sees`` says whose messages it knows the moments of.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Seen(NamedTuple):
    """What bad clients know of a round.

    Attributes
    ----------
    cohort, bad : int
        Clients of the round, and bad ones among them.
    mean, deviation : (P,) float64
        Of the messages of the ``"bad"`` or the ``"good"`` ones as they were trained, as the
        attack's ``sees`` says; empty if that is "".
    """

    cohort: int
    bad: int
    mean: np.ndarray
    deviation: np.ndarray
