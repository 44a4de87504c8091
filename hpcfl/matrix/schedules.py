"""Checks of a schedule: a finite factor that depends on the step alone."""

from __future__ import annotations

from math import isfinite

from hpcfl.matrix.subject import Subject


def check_factor(subject: Subject) -> None:
    """0 or more at every step, the same each time it is asked."""
    part = subject.part()
    first = [float(part.factor(step, 50)) for step in range(51)]
    assert all(isfinite(f) and f >= 0 for f in first), f"factor returns {min(first)} or is not finite"
    assert first == [float(part.factor(step, 50)) for step in range(51)], "factor depends on more than the step"
