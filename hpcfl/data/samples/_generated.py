"""Samples that a function makes: called once, then kept in the user's cache as a file."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import tempfile
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from hpcfl.data import h5
from hpcfl.errors import DataError
from hpcfl.seeding import stream

NAME = re.compile(r"(\w+)(?:\(([^()]*)\))?(?:/(train|test))?")


def path(name: str) -> Path:
    """Return the file of a generated sample.

    A generator is a file of this folder with a function ``rows(rng, ...)`` that returns ``x``,
    ``y``, ``client`` and ``test`` (which rows are the test set's); the names of its other
    arguments are what stands between the parentheses. The file's name holds a hash of the
    generators, so that an edit makes it anew; ranks that make it at once make the same bytes.
    """
    word, numbers, part = _parse(name)
    seed = numbers.pop("seed")
    spelled = ",".join(f"{v:g}" for v in numbers.values()) + f",seed={seed:g}"
    out = _folder() / f"{word}({spelled}){'-' + part if part else ''}.h5"
    if not out.is_file():
        module = importlib.import_module(f"{__package__}.{word}")
        rows = module.rows(stream(int(seed), f"sample {word}"), **numbers)
        _write(out, rows, part)
    return out


def _parse(name: str) -> tuple[str, dict[str, float], str]:
    """Return the generator, its numbers by name (``seed`` among them) and "", "train" or "test"."""
    found = NAME.fullmatch(name)
    word = name.partition("(")[0].partition("/")[0]
    wanted = list(inspect.signature(importlib.import_module(f"{__package__}.{word}").rows).parameters)[1:]
    usage = f"sample:{word}({','.join([*wanted, 'seed=0'])}), then /train or /test if you like"
    if not found:
        raise DataError(f"sample:{name} cannot be read; write {usage}")
    given: dict[str, float] = {}
    for place, text in enumerate(filter(None, (found[2] or "").split(","))):
        key, _, value = text.rpartition("=")
        key = key.strip() or (wanted[place] if place < len(wanted) else "")
        try:
            given[key] = float(value)
        except ValueError:
            raise DataError(f"sample:{name}: '{value}' is no number; write {usage}") from None
    if set(given) - {"seed"} != set(wanted) or given.get("seed", 0.0) % 1:
        raise DataError(f"sample:{name} takes other numbers; write {usage}")
    return word, {**{key: given[key] for key in wanted}, "seed": given.get("seed", 0.0)}, found[3] or ""


def _folder() -> Path:
    """Return the folder of the cache, made if it is not there."""
    digest = blake2b(digest_size=6)
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(home) / "hpcfl" / f"samples-{digest.hexdigest()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be made ({error.strerror}); set XDG_CACHE_HOME to a folder") from None
    return folder


def _write(out: Path, rows: dict[str, np.ndarray], part: str) -> None:
    test = rows.pop("test")
    keep = np.ones_like(test) if not part else test == (part == "test")
    classes = [str(c) for c in range(int(rows["y"].max()) + 1)]
    attrs: dict[str, Any] = {"format": "hpcfl", "version": 1, "task": "classification", "classes": classes}
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:  # nodes that share the folder may share a pid
        h5.write_atomic(Path(scratch) / out.name, {name: a[keep] for name, a in rows.items()}, attrs)
        os.replace(Path(scratch) / out.name, out)
