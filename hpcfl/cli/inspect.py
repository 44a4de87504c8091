"""Show what dataset files hold: rows, features, classes, missing values, chunks, attributes."""

from __future__ import annotations

import argparse
from typing import Any


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="dataset files, globs, or sample:NAME")
    parser.add_argument("--json", action="store_true", help="print one JSON object (of several files: path -> object)")


def run(args: argparse.Namespace) -> int:
    """Describe each file on standard output."""
    import json

    from hpcfl.data.describe import describe
    from hpcfl.data.table import expand

    found = {path: describe(path) for path in expand(tuple(args.files))}
    if args.json:
        print(json.dumps(found if len(found) > 1 else next(iter(found.values())), indent=1))
    else:
        print("\n".join(line for about in found.values() for line in lines(about)))
    return 0


def lines(about: dict[str, Any]) -> list[str]:
    """Return the description of one file as indented lines."""
    out = [str(about["file"])]
    for name, value in about.items():
        if name == "missing":
            out += _missing(value)
        elif name == "datasets":
            out += [f"  dataset {n}: {_dataset(d)}" for n, d in value.items()]
        elif name == "attributes":
            out += [f"  attribute {n}: {_short(v)}" for n, v in value.items()]
        elif isinstance(value, dict):
            out.append(f"  {name}: " + _short(", ".join(f"{n}: {_number(v)}" for n, v in value.items()), 1000))
        elif name != "file":
            out.append(f"  {name.replace('_', ' ')}: {_number(value)}")
    return out


def _missing(value: dict[str, Any]) -> list[str]:
    if "not_finite" in value:
        return [f"  ratings that are NaN or infinite: {value['not_finite']}"]
    out = [f"  missing: {value['nan']} NaN, {value['inf']} infinite in {value['columns_affected']} columns"]
    return out + [f"    column {n}: {c['nan']} NaN, {c['inf']} infinite" for n, c in value["columns"].items()]


def _dataset(about: dict[str, Any]) -> str:
    shape = "x".join(str(n) for n in about["shape"])
    chunks = "x".join(str(n) for n in about["chunks"]) if about["chunks"] else "none"
    return f"{shape} {about['dtype']}, chunks {chunks}, compression {about['compression'] or 'none'}"


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _short(value: Any, width: int = 100) -> str:
    text = str(value)
    return text if len(text) <= width else text[: width - 4] + " ..."
