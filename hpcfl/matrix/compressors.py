"""Checks of a compressor: senders do not mix, lengths are known ahead, and what its class says is so."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpcfl.layout import Layout
from hpcfl.matrix.subject import Subject

LAYOUT = Layout({"w": (16, 9), "b": (9,)})
KEYS = np.arange(1, 5, dtype=np.uint64)
DRAWS = 2000


def _vectors() -> np.ndarray:
    """Return four senders' vectors: even ones, one with a peak, one of zeros."""
    v = np.random.default_rng(0).standard_normal((KEYS.size, LAYOUT.size)).astype(np.float32)
    v[2, 5] = 300.0
    v[3] = 0
    return v


def _sent(part: Any, v: np.ndarray, keys: np.ndarray = KEYS) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the buffers of `v`, and what arrives."""
    before, out = v.copy(), np.full_like(v, np.nan)
    buffers = list(part.encode(v, keys, LAYOUT))
    assert np.array_equal(v, before), "encode changes the vectors"
    part.decode(tuple(buffers), out, LAYOUT)
    return buffers, out


def check_says(subject: Subject) -> None:
    """The class says whether it is biased, contracts, and is additive."""
    for name in ("biased", "contracts", "additive"):
        assert isinstance(getattr(subject.cls, name, None), bool), f"{name} must be True or False on the class"


def check_arrives(subject: Subject) -> None:
    """Every number of what arrives is written, and finite; zeros arrive as zeros."""
    _, out = _sent(subject.part(), _vectors())
    assert np.isfinite(out).all(), "decode leaves numbers unwritten, or not finite"
    assert not out[3].any(), "a vector of zeros arrives as something else"


def check_senders_apart(subject: Subject) -> None:
    """A row of every buffer is one sender's, made of its vector and key alone, and as long for any vector."""
    part, v = subject.part(), _vectors()
    whole, _ = _sent(part, v)
    for i in range(len(v)):
        one, _ = _sent(part, v[i : i + 1], KEYS[i : i + 1])
        for k, (a, b) in enumerate(zip(whole, one, strict=True)):
            assert a.ndim == 2 and len(a) == len(v), f"buffer {k} is {a.shape}: a row a sender is needed"  # noqa: PT018
            assert b.shape[1] == a.shape[1], (
                f"the length of buffer {k} depends on the vector: {b.shape[1]}, {a.shape[1]}"
            )
            assert np.array_equal(a[i], b[0]), f"a sender's row of buffer {k} depends on the other senders, or on luck"


def check_contracts(subject: Subject) -> None:
    """If it says so, what arrives is nearer to the vector than zero is, as error feedback needs."""
    v = _vectors()
    gap = np.square(_sent(subject.part(), v)[1] - v).sum(axis=1)
    far = int((gap - np.square(v).sum(axis=1)).argmax())
    if subject.cls.contracts:
        assert (gap <= np.square(v).sum(axis=1)).all(), (
            f"contracts = True, but vector {far} arrives {gap[far]:.3g} away"
        )


def check_unbiased(subject: Subject) -> None:
    """Unless it says that it is biased, the mean over many keys is the vector."""
    if subject.cls.biased:
        return
    v, keys = _vectors()[:1], np.arange(DRAWS, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    _, out = _sent(subject.part(), np.repeat(v, DRAWS, 0), keys)
    gap = np.abs(out.mean(0, dtype=np.float64) - v[0])
    fair = 6 * out.std(0) / DRAWS**0.5 + 0.01 * np.abs(v).max()  # luck, and rounding to nearest
    assert (gap <= fair).all(), f"biased = False, but the mean of {DRAWS} messages is {gap.max():.3g} away"


def check_additive(subject: Subject) -> None:
    """If it says so, summed messages decode to the sum."""
    if not subject.cls.additive:
        return
    part, v = subject.part(), _vectors()
    buffers, each = _sent(part, v)
    out = np.empty_like(v[:1])
    part.decode(tuple(b.sum(0, keepdims=True) for b in buffers), out, LAYOUT)
    gap = np.abs(out[0] - each.sum(0)).max()
    assert gap < 1e-4, f"additive = True, but the sum of messages decodes to {gap:.3g} beside the sum"
