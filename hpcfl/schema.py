"""Strict reading of tables into frozen dataclasses: unknown keys and wrong types are errors."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from typing import Any, Literal, Union

from hpcfl import registry
from hpcfl.errors import UsageError


def key(default: Any, doc: str) -> Any:
    """Declare a job-file key: its default value and the line that documents it."""
    return dataclasses.field(default=default, metadata={"doc": doc})


def part(folder: str, default: str, doc: str, inline: bool = False, given: dict[str, Any] | None = None) -> Any:
    """Declare a key that holds a part: a class of `folder`, chosen by name or by file.

    With `inline` the part's keys stand in the section itself (``[optimizer] name = "sgd"``),
    otherwise in a table of their own (``strategy = { name = "fedavg" }``). A `default` of ""
    makes the part optional. `given` are the default part's values where they differ from
    its class's own.
    """
    meta = {"doc": doc, "folder": folder, "default": default, "inline": inline, "given": given or {}}
    return dataclasses.field(default=None, metadata=meta)


def fields(cls: type[Any]) -> list[dataclasses.Field[Any]]:
    """Return the fields of `cls` that a job file may set."""
    return [f for f in dataclasses.fields(cls) if f.init]


def read(cls: type[Any], table: dict[str, Any], where: str) -> Any:
    """Make a `cls` from `table`; `where` names the table in messages."""
    if not isinstance(table, dict):
        raise UsageError(f"{where} must be a table, not {table!r}")
    own = {f.name: f for f in fields(cls)}
    rest = dict(table)
    values = {
        name: _value(cls, f, rest.pop(name), _dot(where, name))
        for name, f in own.items()
        if name in rest and not f.metadata.get("inline")
    }
    for f in own.values():
        if "folder" in f.metadata and f.name not in values:
            inline = f.metadata["inline"]
            values[f.name] = _part(f, rest if inline else {}, where, list(own))
            rest = {} if inline else rest
    _refuse_unknown(rest, list(own), where)
    return _build(cls, values, where)


def write(value: Any) -> dict[str, Any]:
    """Return the table that `read` would turn into `value`, every default written out."""
    out: dict[str, Any] = {}
    for f in fields(type(value)):
        v = getattr(value, f.name)
        if "folder" in f.metadata:
            table = {} if v is None else _named(v) | write(v)
            out.update(table if f.metadata["inline"] else {f.name: table} if table else {})
        elif dataclasses.is_dataclass(v):
            out[f.name] = write(v)
        elif v is not None:
            out[f.name] = list(v) if isinstance(v, tuple) else v
    return out


def name_of(value: Any) -> str:
    """Return the name under which the job file knows a part."""
    return next(iter(_named(value).values()))


def positive(value: Any, name: str) -> None:
    """Raise ValueError unless the key `name` of `value` is above zero."""
    if not getattr(value, name) > 0:
        raise ValueError(f"{name} = {getattr(value, name)}: a value above 0 is needed")


def not_negative(value: Any, name: str) -> None:
    """Raise ValueError if the key `name` of `value` is below zero."""
    if not getattr(value, name) >= 0:
        raise ValueError(f"{name} = {getattr(value, name)}: 0 or more is needed")


def _dot(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _named(value: Any) -> dict[str, str]:
    module = type(value).__module__
    source = getattr(value, "__hpcfl_file__", "")
    return {"file": source} if source else {"name": module.rpartition(".")[2]}


def _part(f: dataclasses.Field[Any], table: Any, where: str, siblings: list[str]) -> Any:
    place = where if f.metadata["inline"] else _dot(where, f.name)
    table = dict(table) if isinstance(table, dict) else {"name": table}
    name, source = table.pop("name", f.metadata["default"]), table.pop("file", "")
    for word, value in (("name", name), ("file", source)):
        if not isinstance(value, str):
            raise UsageError(f"{_dot(place, word)} = {value!r}: a text is needed ({f.metadata['doc']})")
    if not f.metadata["default"] and not source and name in ("", "none"):
        return None
    cls = registry.load_file(source) if source else registry.load(f.metadata["folder"], name)
    if not dataclasses.is_dataclass(cls):
        cls = dataclasses.dataclass(frozen=True)(cls)
    _refuse_unknown(table, [x.name for x in fields(cls)] + siblings, place, allowed=fields(cls))
    given = f.metadata["given"] if name == f.metadata["default"] and not source else {}
    value = read(cls, given | table, place)
    if source:
        object.__setattr__(value, "__hpcfl_file__", source)
    return value


def _value(cls: type[Any], f: dataclasses.Field[Any], value: Any, where: str) -> Any:
    if "folder" in f.metadata:
        return _part(f, value, where.rpartition(".")[0], [])
    kind = typing.get_type_hints(cls)[f.name]
    if dataclasses.is_dataclass(kind):
        return read(typing.cast(type[Any], kind), value, where)
    ok, out = convert(kind, value)
    if not ok:
        raise UsageError(f"{where} = {value!r}: {spell(kind)} is needed ({f.metadata['doc']})")
    return out


def convert(kind: Any, value: Any) -> tuple[bool, Any]:
    """Return whether `value` is of the type `kind`, and as what a part's field holds it."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return True, value
    if origin is Literal:
        return value in args, value
    if origin in (Union, types.UnionType):
        return next((r for r in (convert(a, value) for a in args) if r[0]), (False, None))
    if origin is tuple:
        items = value if isinstance(value, list | tuple) else [value]
        done = [convert(args[0], v) for v in items]
        return all(ok for ok, _ in done), tuple(v for _, v in done)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return True, float(value)
    if isinstance(value, float) and math.isnan(value):
        return False, value
    return isinstance(value, kind) and (kind is bool) == isinstance(value, bool), value


def spell(kind: Any) -> str:
    """Return the words for a type in messages and tables."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return "one of " + ", ".join(repr(a) for a in args)
    if origin in (Union, types.UnionType):
        return " or ".join(spell(a) for a in args)
    if origin is tuple:
        return f"a list of {spell(args[0])}"
    words = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    return words.get(kind, str(kind))


def _refuse_unknown(
    table: dict[str, Any], known: list[str], where: str, allowed: list[dataclasses.Field[Any]] | None = None
) -> None:
    fine = known if allowed is None else [f.name for f in allowed]
    for name in table:
        if name not in fine:
            raise UsageError(f"unknown key {_dot(where, name)}{registry.nearest(name, known)}")


def _build(cls: type[Any], values: dict[str, Any], where: str) -> Any:
    try:
        return cls(**values)
    except ValueError as error:
        raise UsageError(_dot(where, str(error))) from None
