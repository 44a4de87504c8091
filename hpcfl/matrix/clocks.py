"""Checks of a clock: times that every rank can play alone."""

from __future__ import annotations

import numpy as np

from hpcfl.matrix.subject import Subject

PACE, LUCK = np.random.default_rng(0).standard_normal((2, 50))


def _seconds(subject: Subject, steps: np.ndarray, some: slice = slice(None)) -> np.ndarray:
    given = steps[some].copy(), PACE[some].copy(), LUCK[some].copy()
    out = np.asarray(subject.part().seconds(*given))
    assert out.shape == steps[some].shape, f"seconds returns {out.shape}, not {steps[some].shape}"
    for before, after in zip((steps, PACE, LUCK), given, strict=True):
        assert np.array_equal(before[some], after), "seconds changes what it is given"
    return out


def check_times(subject: Subject) -> None:
    """A finite time of 0 or more for each client."""
    out = _seconds(subject, np.arange(1, 51))
    assert out.dtype == np.float64, f"seconds returns {out.dtype}, not float64"
    assert np.isfinite(out).all() and (out >= 0).all(), f"seconds returns {out.min()} to {out.max()}"  # noqa: PT018


def check_clients_apart(subject: Subject) -> None:
    """A client's time follows from its own steps and draws, the same each time."""
    whole = _seconds(subject, np.arange(1, 51))
    parts = np.concatenate([_seconds(subject, np.arange(1, 51), s) for s in (slice(0, 1), slice(1, None))])
    assert np.array_equal(whole, parts), "a client's time depends on the other clients, or on luck of its own"


def check_more_takes_longer(subject: Subject) -> None:
    """Twice the steps take no less time."""
    steps = np.arange(1, 51)
    assert (_seconds(subject, 2 * steps) >= _seconds(subject, steps)).all(), "twice the steps take less time"
