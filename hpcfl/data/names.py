"""Names of classes and columns: rows of two files go together only where both mean the same."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from hpcfl.errors import DataError

NAMELESS = re.compile(r"column\d+")  # what a column is called where a CSV has no header


def alike(path: str, attrs: Mapping[str, Any], other: str, known: Mapping[str, Any]) -> None:
    """Refuse the rows of `path` beside those of `other`, to whose attributes they do not fit; see `columns`.

    Raises
    ------
    DataError
        Both name classes, or columns, and not the same.
    """
    columns(path, attrs, other, known)
    own, theirs = (list(a.get("classes", ())) for a in (attrs, known))
    if own and theirs and own != theirs:
        raise DataError(f"{path}: its classes are not those of {other}; convert the files of a table as one")


def digest(attrs: Mapping[str, Any]) -> int:
    """Return a number >= 0 that tells files of other classes or columns apart, from their attributes."""
    told = [[str(name) for name in attrs.get(key, ())] for key in ("classes", "feature_names")]
    return int(sha256(json.dumps(told).encode()).hexdigest()[:15], 16)


def columns(path: str, attrs: Mapping[str, Any], other: str, known: Mapping[str, Any]) -> None:
    """Refuse the rows of `path` where its columns are named otherwise than those of `other`.

    Parameters
    ----------
    attrs, known : mapping
        Root attributes of `path` and of `other`; either may name no columns.

    Raises
    ------
    DataError
        A column has another name, such as that of another category.
    """
    pairs = zip(attrs.get("feature_names", ()), known.get("feature_names", ()), strict=False)
    for j, (name, own) in enumerate(pairs):
        if name != own and not NAMELESS.match(str(name)) and not NAMELESS.match(str(own)):
            raise DataError(
                f"{path}: column {j} is '{name}', in {other} it is '{own}'; "
                "bring their columns in one order, or convert the files as one"
            )
