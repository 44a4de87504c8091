"""Checks of a partition: every row is dealt, the same way each time."""

from __future__ import annotations

import numpy as np

from hpcfl.matrix.subject import Subject

LABEL = np.arange(600) % 10


def _column(name: str) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((600, 4)) if name == "x" else np.repeat(np.arange(12), 50)


def _deal(subject: Subject) -> np.ndarray:
    return np.asarray(subject.part().deal(LABEL.copy(), 12, np.random.default_rng(0), _column))


def check_owners(subject: Subject) -> None:
    """One client a row (-1 is nobody's), every client with rows."""
    client = _deal(subject)
    assert client.shape == LABEL.shape, f"deal returns {client.shape}, not {LABEL.shape}"
    assert client.dtype.kind == "i", f"deal returns {client.dtype}, not whole numbers"
    assert client.min() >= -1, f"deal returns {client.min()}"
    counts = np.bincount(client[client >= 0], minlength=12)
    assert counts.size == 12, f"deal returns client {client.max()} of 12"
    assert counts.min() > 0, f"client {counts.argmin()} of 12 gets none of 600 rows"


def check_deterministic(subject: Subject) -> None:
    """The same stream gives the same clients."""
    assert (_deal(subject) == _deal(subject)).all(), "deal uses luck of its own, not `rng`"
