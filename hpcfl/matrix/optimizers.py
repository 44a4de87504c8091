"""Checks of an optimizer: it goes down, and all of its memory is in `state`."""

from __future__ import annotations

import numpy as np

from hpcfl.matrix.subject import Subject


def _walk(subject: Subject, steps: int, restart: int = -1) -> np.ndarray:
    """Return where a quadratic's descent ends; with `restart` a new part goes on with the state at that step."""
    part = subject.part()
    w, state = np.array([1.0, -2.0, 0.5]), np.zeros((part.slots, 3))
    for t in range(1, steps + 1):
        if t == restart:
            part, w, state = subject.part(), w.copy(), state.copy()
        part.step(w, w.copy(), state, float(part.learning_rate), t)
    return w


def check_goes_down(subject: Subject) -> None:
    """Forty steps bring |w|^2 down."""
    w = _walk(subject, 40)
    assert np.isfinite(w).all(), "w is not finite after 40 steps on |w|^2 / 2"
    assert np.square(w).sum() < 5.25, f"|w|^2 rose from 5.25 to {np.square(w).sum():.3g}"


def check_state_is_all(subject: Subject) -> None:
    """A new part with the old state goes on to the same bits, so that a checkpoint holds all."""
    assert (_walk(subject, 9) == _walk(subject, 9, restart=5)).all(), "the optimizer remembers more than `state`"


def check_state_rows(subject: Subject) -> None:
    """The kernel takes float32 too, and what it takes as hyperparameters is float64."""
    part = subject.part()
    assert part.hyper().dtype == np.float64, f"hyper() is {part.hyper().dtype}, not float64"
    w = np.ones(3, np.float32)
    part.step(w, np.ones(3, np.float32), np.zeros((part.slots, 3), np.float32), 0.1, 1)
    assert np.isfinite(w).all(), "a float32 step is not finite"
