"""What is checked: a part, the folder it belongs to, and how a job file names it."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any, NamedTuple

from hpcfl import registry
from hpcfl.errors import UsageError
from hpcfl.federated.types import Strategy

# Folder -> the part that shows the interface, and where a job file names such a part.
FOLDERS = {
    "strategies": ("fedavg", "federated.strategy"),
    "aggregators": ("median", "federated.aggregator"),
    "samplers": ("uniform", "federated.sampler"),
    "partitions": ("iid", "federated.partition"),
    "models": ("softmax", "model"),
    "optimizers": ("sgd", "optimizer"),
    "schedules": ("constant", "optimizer.schedule"),
}

OPTIONAL = {"tree_grad"}  # methods that make a part faster, not able


class Subject(NamedTuple):
    """A part to be checked.

    Attributes
    ----------
    cls : type
        Its class, a frozen dataclass.
    folder : str
    named : dict
        ``{"name": ...}`` or ``{"file": ...}``, as in a job file.
    """

    cls: type[Any]
    folder: str
    named: dict[str, str]

    def part(self) -> Any:
        """Return the part with its defaults."""
        return self.cls()


def own(folder: str, name: str) -> Subject:
    """Return a part of the package."""
    return Subject(registry.load(folder, name), folder, {"name": name})


def of_file(path: str, folder: str = "") -> Subject:
    """Return the part of a user's file; its folder follows from its methods unless it is given.

    Raises
    ------
    UsageError
        The file cannot be imported, or its class has the interface of no folder.
    """
    cls = registry.load_file(path)
    if not dataclasses.is_dataclass(cls):
        cls = dataclasses.dataclass(frozen=True)(cls)
    if folder and folder not in FOLDERS:
        raise UsageError(f"--as {folder}{registry.nearest(folder, list(FOLDERS))}")
    return Subject(cls, folder or _folder(cls, path), {"file": path})


def interface(folder: str) -> dict[str, list[str]]:
    """Return {method: names of its parameters} that every part of a folder has."""
    shown = Strategy if folder == "strategies" else registry.load(folder, FOLDERS[folder][0])
    return {
        name: list(inspect.signature(method).parameters)[1:]
        for name, method in inspect.getmembers(shown, inspect.isfunction)
        if not name.startswith("_") and name not in OPTIONAL
    }


def _folder(cls: type[Any], path: str) -> str:
    if issubclass(cls, Strategy):
        return "strategies"
    missing = {f: [m for m in interface(f) if not hasattr(cls, m)] for f in FOLDERS if f != "strategies"}
    best = min(missing, key=lambda f: len(missing[f]) / len(interface(f)))
    if missing[best] and len(missing[best]) == len(interface(best)):
        raise UsageError(
            f"{path}: the class {cls.__name__} has the methods of no folder; a strategy is a subclass of "
            "hpcfl.federated.types.Strategy, else see --as"
        )
    return best
