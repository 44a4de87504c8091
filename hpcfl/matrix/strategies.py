"""Checks of a strategy: what it says of itself, and that clients do not mix."""

from __future__ import annotations

import numpy as np

from hpcfl.federated.bank import Bank
from hpcfl.federated.types import Me, Part
from hpcfl.layout import Layout
from hpcfl.matrix.subject import Subject

LAYOUT = Layout({"w": (5, 1), "b": (2,)})
P = LAYOUT.size


def check_says(subject: Subject) -> None:
    """keeps, told, sends and optimizer hold what rounds can read."""
    cls = subject.cls
    assert set(cls.keeps.values()) <= {"zeros", "w"}, f"keeps = {dict(cls.keeps)}: 'zeros' or 'w'"
    assert cls.optimizer in ("any", "linear"), f"optimizer = {cls.optimizer!r}: 'any' or 'linear'"
    assert set(cls.probe) <= {"loss", "gradient"}, f"probe = {cls.probe}: 'loss', 'gradient'"
    assert cls.sends, "sends is empty: a client must send something"
    for sent in (*cls.sends, *cls.asks):
        assert isinstance(sent, Part), f"{sent!r} in sends is no Part"
        assert sent.size in ("w", "1"), f"Part '{sent.name}': size is 'w' or '1', not {sent.size!r}"
        assert sent.weight in ("rows", "one"), f"Part '{sent.name}': weight is 'rows' or 'one', not {sent.weight!r}"
    names = [p.name for p in cls.sends]
    assert len(set(names)) == len(names), f"sends has a name twice: {names}"


def check_told(subject: Subject) -> None:
    """Every vector that is told is one of the server's, all of the model's length."""
    w = np.linspace(-1.0, 1.0, P)
    made = subject.part().init(w)
    for name in subject.cls.told:
        assert name in made, f"told has '{name}', init makes {sorted(made)}"
    for name, vector in made.items():
        assert vector.shape == (P,), f"init makes '{name}' of shape {vector.shape}, not ({P},)"


def check_clients_apart(subject: Subject) -> None:
    """What a client sends and keeps is the same whoever else is on its rank: ranks deal clients as they like."""
    whole = _answer(subject, [0, 1, 2])
    parts = [_answer(subject, [0]), _answer(subject, [1, 2])]
    for name, sent in whole.items():
        joined = np.concatenate([p[name] for p in parts])
        assert sent.shape == joined.shape, f"'{name}' is {sent.shape}, not {joined.shape}"
        assert np.array_equal(sent, joined), f"'{name}' of a client depends on the other clients of its rank"
        assert np.isfinite(sent).all(), f"'{name}' is not finite"


def _answer(subject: Subject, ids: list[int]) -> dict[str, np.ndarray]:
    """Play the clients `ids`, whose runs end at made-up places, and return what they send and keep."""
    part, cls, n = subject.part(), subject.cls, len(ids)
    w = np.linspace(-1.0, 1.0, P)
    server = {"w": w, **part.init(w)}
    told = {name: i for i, name in enumerate(("w", *cls.told))}
    shared = np.array([server[name] for name in told])
    bank = Bank(told, shared, n, len(cls.keeps), LAYOUT, part.local(tuple(LAYOUT.shapes)))
    draw = [np.random.default_rng(i).standard_normal((9, P)) for i in ids]
    for k, (name, first) in enumerate(cls.keeps.items()):
        bank[name] = np.stack([(w if first == "w" else 0) + 0.1 * d[k] for d in draw])
    bank["gradient"] = np.stack([d[5] for d in draw])
    column = np.array(ids, float)[:, None]
    me = Me(np.array(ids)[:, None], 10 + column, 5 + column, 0.1 * (5 + column), 1 + column, 0.1)
    runs = part.client(bank, me)
    for run in runs:
        here = run.start in bank.told or run.start in bank.names
        assert here, f"a run starts at '{run.start}', which is neither told, kept nor made"
        bank[run.out] = np.stack([w + 0.1 * d[6] for d in draw])
    out = {p.name: np.zeros((n, P if p.size == "w" else 1)) for p in cls.sends}
    part.message(bank, me, out)
    return {**out, **{f"kept {name}": np.array(bank[name]) for name in cls.keeps}}
