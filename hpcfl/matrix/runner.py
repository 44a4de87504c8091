"""Finds the checks of a part and makes them, one after the other."""

from __future__ import annotations

import importlib
import inspect
import traceback
from collections.abc import Callable, Iterator
from typing import NamedTuple

from hpcfl.matrix.subject import Subject
from hpcfl.matrix.whole import Skip

Check = Callable[[Subject], None]


class Verdict(NamedTuple):
    """What came of a check: "ok", "FAIL" or "skip", its name, and what it says."""

    state: str
    name: str
    text: str


def checks(subject: Subject, whole: bool = True) -> list[Check]:
    """Return the checks of a part's folder: the common ones, its own, and those that train (`whole`)."""
    files = ["common", subject.folder, *(["whole"] if whole else [])]
    modules = [importlib.import_module(f"{__package__}.{name}") for name in files]
    return [f for m in modules for name, f in _ordered(m) if name.startswith("check_")]


def verdicts(subject: Subject, whole: bool = True) -> Iterator[Verdict]:
    """Make the checks, giving each verdict as it is made."""
    for check in checks(subject, whole):
        name = f"{check.__module__.rpartition('.')[2]}.{check.__name__.removeprefix('check_')}"
        try:
            check(subject)
            yield Verdict("ok", name, (check.__doc__ or "").splitlines()[0])
        except Skip as reason:
            yield Verdict("skip", name, str(reason))
        except AssertionError as reason:
            yield Verdict("FAIL", name, str(reason))
        except Exception as error:  # the part's own mistake: say where
            place = traceback.extract_tb(error.__traceback__)[-1]
            yield Verdict("FAIL", name, f"{type(error).__name__} at {place.filename}:{place.lineno}: {error}")


def _ordered(module: object) -> list[tuple[str, Check]]:
    found = inspect.getmembers(module, inspect.isfunction)
    return sorted(found, key=lambda pair: pair[1].__code__.co_firstlineno)
