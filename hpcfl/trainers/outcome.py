"""What a trainer's generator returns when it is exhausted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Outcome:
    """The trained model and what the summary says of it.

    Attributes
    ----------
    arrays : dict of str to ndarray
        The model's arrays, written to ``model.h5`` (equal on every rank).
    attrs : dict
        What prediction needs beside them: numbers, texts, or JSON values.
    summary : dict
        Entries of ``summary.json`` that the mode knows: rows, steps or rounds, train_seconds,
        samples_per_second, seconds_per_round, final.
    """

    arrays: dict[str, np.ndarray]
    attrs: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
