"""Name -> class, by file name: a new part is one new file, and listing names imports none."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from hpcfl.errors import UsageError


def names(folder: str) -> list[str]:
    """Return the names that `folder` (a folder of the package) offers, sorted."""
    root = Path(__file__).parent / folder
    return sorted(p.stem for p in root.glob("*.py") if not p.stem.startswith("_"))


def load(folder: str, name: str) -> type[Any]:
    """Return the class of the file `folder`/`name`.py, importing that file only."""
    if name not in names(folder):
        raise UsageError(f"there is no '{name}' in {folder}{nearest(name, names(folder))}")
    return _public_class(importlib.import_module(f"hpcfl.{folder}.{name}"))


def load_file(path: str) -> type[Any]:
    """Return the one public class of the user's own file `path`."""
    if not Path(path).is_file():
        raise UsageError(f"file = '{path}': no such file; give a path from where hpcfl is started")
    spec = importlib.util.spec_from_file_location(f"hpcfl_user:{Path(path).resolve()}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look up annotations that are texts
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"file = '{path}' cannot be imported: {error!r}") from error
    return _public_class(module)


def nearest(word: str, words: list[str]) -> str:
    """Return '; did you mean ...' or the list of all `words`, to end an error message."""
    if not words:
        return "; there are none, leave it out"
    close = get_close_matches(word, words, 1)
    return f"; did you mean '{close[0]}'?" if close else f"; there are: {', '.join(words)}"


def _public_class(module: ModuleType) -> type[Any]:
    own = [
        c
        for n, c in inspect.getmembers(module, inspect.isclass)
        if c.__module__ == module.__name__ and not n.startswith("_") and not issubclass(c, tuple)
    ]
    if len(own) != 1:
        raise UsageError(f"{module.__file__} must hold exactly one public class, it has {len(own)}")
    return own[0]
