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
    "compressors": ("top_k", "federated.compressor"),
    "attacks": ("sign_flip", "federated.attack"),
    "clocks": ("lognormal", "federated.clock"),
    "models": ("softmax", "model"),
    "optimizers": ("sgd", "optimizer"),
    "schedules": ("constant", "optimizer.schedule"),
}

OPTIONAL = {"tree_grad", "kernel_at"}  # methods that make a part faster, not able


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


def interface(folder: str, cls: type[Any]) -> dict[str, list[str]]:
    """Return {method: names of its parameters} that a part of a folder, such as `cls`, has."""
    name = "label_flip" if folder == "attacks" and getattr(cls, "poisons", False) else FOLDERS[folder][0]
    shown = Strategy if folder == "strategies" else registry.load(folder, name)
    return {
        name: list(inspect.signature(method).parameters)[1:]
        for name, method in inspect.getmembers(shown, inspect.isfunction)
        if not name.startswith("_") and name not in OPTIONAL
    }


def _folder(cls: type[Any], path: str) -> str:
    if issubclass(cls, Strategy):
        return "strategies"
    wanted = {f: interface(f, cls) for f in FOLDERS if f != "strategies"}
    share = {f: sum(hasattr(cls, m) for m in methods) / len(methods) for f, methods in wanted.items()}
    best = max(share, key=lambda f: share[f])
    if not share[best]:
        raise UsageError(
            f"{path}: the class {cls.__name__} has the methods of none of {', '.join(FOLDERS)}; a strategy is a "
            "subclass of hpcfl.federated.types.Strategy, else see --as"
        )
    return best
