"""Checks of an attack: what it says of itself, and that it follows from what it is given."""

from __future__ import annotations

import numpy as np

from hpcfl.attacks import Seen
from hpcfl.matrix.subject import Subject

P = 7


def _forged(subject: Subject, rows: np.ndarray) -> np.ndarray:
    """Return what the bad clients `rows` send, of five."""
    rng = np.random.default_rng(0)
    v, seen = rng.standard_normal((5, P)), Seen(15, 5, rng.standard_normal(P), np.ones(P))
    before = v.copy()
    out = np.asarray(subject.part().forge(v[rows], seen, np.arange(1, 6, dtype=np.uint64)[rows]))
    assert np.array_equal(v, before), "forge changes the messages in place; return others"
    assert out.shape == (rows.size, P), f"forge returns {out.shape}, not {(rows.size, P)}"
    return out


def check_says(subject: Subject) -> None:
    """`clients`, whether it poisons rows, and whose messages it sees."""
    cls, part = subject.cls, subject.part()
    assert getattr(part, "clients", 0) > 0, "the field `clients`, how many are bad, is needed"
    assert isinstance(getattr(cls, "poisons", None), bool), "poisons must be True or False on the class"
    assert getattr(cls, "sees", None) in ("", "bad", "good"), "sees must be '', 'bad' or 'good' on the class"


def check_forges(subject: Subject) -> None:
    """Messages are finite and other ones, the same each time, each following from its own client's; or none."""
    if subject.cls.poisons:
        return
    whole = _forged(subject, np.arange(5))
    assert np.isfinite(whole).all(), "what is sent is not finite"
    assert not np.array_equal(whole, np.random.default_rng(0).standard_normal((5, P))), "forge changes nothing"
    assert np.array_equal(whole, _forged(subject, np.arange(5))), "forge uses luck of its own, not `keys`"
    parts = np.concatenate([_forged(subject, np.array(rows, int)) for rows in ([0, 1], [], [2, 3, 4])])
    assert np.array_equal(whole, parts), "what a client sends depends on the other bad clients of its rank"


def check_poisons(subject: Subject) -> None:
    """Targets are classes that there are (or finite numbers), others than before."""
    if not subject.cls.poisons:
        return
    y = np.arange(40) % 4
    out = np.asarray(subject.part().targets(y.copy(), 4))
    assert out.shape == y.shape, f"targets returns {out.shape}, not {y.shape}"
    assert np.isin(out, np.arange(4)).all(), f"targets returns {out.min()} to {out.max()} of classes 0 to 3"
    assert (out != y).any(), "targets changes nothing"
    assert np.isfinite(subject.part().targets(np.linspace(-1.0, 1.0, 9), 0)).all(), "a target is not finite"
