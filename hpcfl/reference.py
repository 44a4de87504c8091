"""The table of job-file keys, made from the dataclasses that read them."""

from __future__ import annotations

import dataclasses
import json
import typing
from typing import Any

from hpcfl import registry, schema
from hpcfl.config import Job

Row = tuple[str, str, str, str]


def rows() -> list[Row]:
    """Return (key, type, default, meaning) of every key, parts after the section that names them."""
    out: list[Row] = []
    folders: dict[str, str] = {}
    for f in schema.fields(Job):
        if f.default_factory is dataclasses.MISSING:
            out.append(_row(Job, f, f.name))
        else:
            _section(typing.get_type_hints(Job)[f.name], f.name, out, folders)
    for folder, place in folders.items():
        for name in registry.names(folder):
            cls = registry.load(folder, name)
            out += [_row(cls, f, f'{place} "{name}": {f.name}') for f in schema.fields(cls)]
    return out


def markdown() -> str:
    """Return the table as Markdown."""
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    lines += ["| " + " | ".join(cell.replace("|", "or") for cell in row) + " |" for row in rows()]
    return "\n".join(lines)


def _section(cls: type[Any], section: str, out: list[Row], folders: dict[str, str]) -> None:
    for f in schema.fields(cls):
        if "folder" in f.metadata:
            folder = f.metadata["folder"]
            key = f"{section}.name" if f.metadata["inline"] else f"{section}.{f.name}"
            folders.setdefault(folder, key)
            known = ", ".join(registry.names(folder))
            out.append((f"`{key}`", "a part", f"`{f.metadata['default'] or 'none'}`", f"{f.metadata['doc']}: {known}"))
        elif f.default_factory is not dataclasses.MISSING:
            _section(typing.get_type_hints(cls)[f.name], f"{section}.{f.name}", out, folders)
        else:
            out.append(_row(cls, f, f"{section}.{f.name}"))


def _row(cls: type[Any], f: dataclasses.Field[Any], key: str) -> Row:
    default = list(f.default) if isinstance(f.default, tuple) else f.default
    return (
        f"`{key}`",
        schema.spell(typing.get_type_hints(cls)[f.name]),
        f"`{json.dumps(default)}`",
        str(f.metadata.get("doc", "")),
    )
