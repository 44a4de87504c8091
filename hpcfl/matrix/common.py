"""Checks of every part: its interface, its fields, and that the job file gives back what it took."""

from __future__ import annotations

import dataclasses
import inspect
import typing

from hpcfl import schema
from hpcfl.matrix.subject import Subject, interface


def check_interface(subject: Subject) -> None:
    """Every method of the folder is there, with as many parameters."""
    for name, wanted in interface(subject.folder, subject.cls).items():
        method = getattr(subject.cls, name, None)
        assert callable(method), f"the method {name}({', '.join(wanted)}) is missing"
        signature = inspect.signature(method)
        try:
            signature.bind(None, *wanted)
        except TypeError as error:
            raise AssertionError(f"{name}{signature}: called as {name}({', '.join(wanted)}); {error}") from None


def check_frozen(subject: Subject) -> None:
    """A part holds no state: it is a frozen dataclass, whatever changes lies in arrays that checkpoints see."""
    part = subject.part()
    for field in dataclasses.fields(part):
        try:
            setattr(part, field.name, getattr(part, field.name))
        except dataclasses.FrozenInstanceError:
            continue
        raise AssertionError(f"{field.name} can be assigned; write @dataclass(frozen=True)")


def check_fields(subject: Subject) -> None:
    """Every field has a type, a default of this type and, if it is a key, a line that explains it."""
    hints = typing.get_type_hints(subject.cls)
    for field in schema.fields(subject.cls):
        kind = hints[field.name]
        assert field.default is not dataclasses.MISSING, f"{field.name} has no default"
        assert schema.spell(kind) != str(kind) or kind is typing.Any, f"{field.name}: {kind} is no type of a job file"
        ok, _ = schema.convert(kind, field.default)
        assert ok, f"{field.name} = {field.default!r}: the default is not {schema.spell(kind)}"
        assert field.metadata.get("doc", "-").strip(), f"{field.name}: key(default, doc) needs its line"


def check_written_back(subject: Subject) -> None:
    """What the job file gives is what is stored with the results."""
    part = subject.part()
    again = schema.read(subject.cls, schema.write(part), subject.folder)
    assert schema.write(again) == schema.write(part), f"{schema.write(part)} is read as {schema.write(again)}"
