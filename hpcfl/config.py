"""The job file: TOML in, frozen dataclasses out, every default written back."""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any

from hpcfl import schema
from hpcfl.errors import UsageError
from hpcfl.schema import key
from hpcfl.sections.data import Data
from hpcfl.sections.federated import Federated
from hpcfl.sections.fits import measured
from hpcfl.sections.model import Model, Optimizer
from hpcfl.sections.running import Checkpoint, Communication, Evaluate
from hpcfl.sections.train import Train


@dataclass(frozen=True)
class Job:
    """A whole job file."""

    seed: int = key(0, "seed of every random stream")
    output: str = key("runs/job", "run directory")
    reproducible: bool = key(False, "the same bits on any number of ranks")
    data: Data = field(default_factory=Data)
    model: Model = field(default_factory=Model)
    optimizer: Optimizer = field(default_factory=Optimizer)
    train: Train = field(default_factory=Train)
    federated: Federated = field(default_factory=Federated)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    evaluate: Evaluate = field(default_factory=Evaluate)
    comm: Communication = field(default_factory=Communication)

    def __post_init__(self) -> None:
        strategy = self.federated.strategy
        if self.train.mode in ("synchronous", "federated") and not hasattr(self.model.rule, "loss_grad"):
            mode = "factorization" if self.model.rule.task == "ratings" else schema.name_of(self.model.rule)
            raise ValueError(
                f"model.name = '{schema.name_of(self.model.rule)}': train.mode = '{self.train.mode}' "
                f"does not train it; set train.mode = '{mode}'"
            )
        if self.train.mode != "synchronous" and schema.name_of(self.comm.compressor) != "none":
            raise ValueError(
                f"comm.compressor: train.mode = '{self.train.mode}' sends no gradients of a batch; "
                "set it to 'none' (federated clients have federated.compressor)"
            )
        if self.train.mode != "synchronous" and self.data.order == "blocks":
            raise ValueError(
                f"data.order = 'blocks': train.mode = '{self.train.mode}' keeps its rows in memory; set it to 'rows'"
            )
        if self.train.mode == "federated":
            measured(self.federated, self.evaluate, self.data.test not in ("none", 0.0))
        if self.train.mode == "federated" and strategy.optimizer == "linear" and not self.optimizer.rule.linear:
            raise ValueError(
                f"optimizer.name = '{schema.name_of(self.optimizer.rule)}': strategy '{schema.name_of(strategy)}' "
                "is valid for linear local optimizers only; use 'sgd', with momentum if you like"
            )


def load(job: str | Path | dict[str, Any], changes: tuple[str, ...] = ()) -> Job:
    """Read a job from a TOML file or a table.

    Parameters
    ----------
    job : path or dict
        The job file, or the table it would hold.
    changes : tuple of str
        ``key.path=value`` overrides, the values in TOML's spelling (a bare word is a text).

    Raises
    ------
    UsageError
        For a missing or malformed file, an unknown key, a value of the wrong type or range.
    """
    table = dict(job) if isinstance(job, dict) else _parse(Path(job))
    for change in changes:
        _override(table, change)
    for name, section in list(table.items()):
        if isinstance(section, dict):
            table[name] = dict(section)
    read: Job = schema.read(Job, _sections(table), "")
    return read


def dump(job: Job) -> dict[str, Any]:
    """Return the table that `load` turns into `job`, every default written out."""
    table = schema.write(job)
    if job.train.mode != "federated":
        del table["federated"]
    return table


def _sections(table: dict[str, Any]) -> dict[str, Any]:
    """Add the sections that are absent, so that their parts get their defaults."""
    train = table.get("train", {})
    federated = isinstance(train, dict) and train.get("mode") == "federated"
    names = [f.name for f in schema.fields(Job) if f.default_factory is not MISSING]
    return {name: {} for name in names if federated or name != "federated"} | table


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"job file {path}: {error.strerror}; give the path of a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"job file {path} is not TOML: {error}") from None


def _override(table: dict[str, Any], change: str) -> None:
    path, equals, text = change.partition("=")
    if not equals:
        raise UsageError(f"--set {change}: write --set key.path=value")
    try:
        value = tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, last = path.strip().split(".")
    for name in parents:
        inner = table.get(name, {})
        if not isinstance(inner, str | dict):
            raise UsageError(f"--set {change}: {name} = {inner!r} has no keys of its own")
        table[name] = {"name": inner} if isinstance(inner, str) else dict(inner)
        table = table[name]
    table[last] = value
