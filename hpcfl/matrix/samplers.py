"""Checks of a sampler: sizes, range, determinism."""

from __future__ import annotations

import numpy as np

from hpcfl.matrix.subject import Subject


def _draws(subject: Subject, rows: np.ndarray, size: int) -> list[np.ndarray]:
    part = subject.part()
    drawn = [np.asarray(part.draw(rows, size, r, np.random.default_rng(r))) for r in range(12)]
    if hasattr(part, "narrow"):  # by losses, here rising with the client
        drawn = [picked[part.narrow(picked * 1.0, size)] for picked in drawn]
    return drawn


def check_range(subject: Subject) -> None:
    """Whole numbers, ascending and none twice, each the place of a client."""
    for picked in _draws(subject, np.arange(1, 41), 8):
        assert picked.dtype.kind == "i", f"draw returns {picked.dtype}, not whole numbers"
        assert (np.diff(picked) > 0).all(), f"draw returns {picked.tolist()}: ascending, none twice"
        assert picked.size == 0 or 0 <= picked[0] <= picked[-1] < 40, f"draw returns {picked.tolist()} of 40 clients"


def check_size(subject: Subject) -> None:
    """About as many as are wanted; of fewer clients, all at most."""
    sizes = [p.size for p in _draws(subject, np.arange(1, 41), 8)]
    assert 4 <= np.mean(sizes) <= 12, f"draw returns {np.mean(sizes):.1f} clients on average where 8 are wanted"
    assert max(p.size for p in _draws(subject, np.arange(1, 4), 8)) <= 3, "draw returns more clients than there are"


def check_deterministic(subject: Subject) -> None:
    """The same stream gives the same clients, another round others; rows are not changed."""
    rows = np.arange(1, 41)
    first, again = _draws(subject, rows, 8), _draws(subject, rows, 8)
    assert (rows == np.arange(1, 41)).all(), "draw changes `rows`"
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True)), "draw uses luck of its own, not `rng`"
    assert any(not np.array_equal(first[0], p) for p in first[1:]), "draw returns the same clients in every round"
