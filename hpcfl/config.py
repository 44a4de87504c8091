"""The job file: TOML in, frozen dataclasses out, every default written back."""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, Literal

from hpcfl import schema
from hpcfl.errors import UsageError
from hpcfl.schema import key, part


@dataclass(frozen=True)
class Data:
    """``[data]``: which rows, in which order, prepared how."""

    train: str | tuple[str, ...] = key("sample:digits", "path, list, glob, `sample:NAME`, or `silo-{client}.h5`")
    test: float | str = key(0.2, "fraction split off by seed (stratified by class), a file, or `none`")
    x: str = key("x", "name of the features' dataset in a plain HDF5 file")
    y: str = key("y", "name of the targets' dataset in a plain HDF5 file")
    task: Literal["", "classification", "regression", "ratings"] = key("", "what y is; read from the file unless set")
    standardize: bool = key(False, "scale each feature to mean 0, variance 1; stored in the model")
    missing: Literal["error", "drop"] = key("error", "rows with NaN or infinity: refuse them, or drop them")

    def __post_init__(self) -> None:
        if isinstance(self.test, float) and not 0 < self.test < 1:
            raise ValueError(f'test = {self.test}: a fraction between 0 and 1 is needed, or "none"')


@dataclass(frozen=True)
class Model:
    """``[model]``: what is trained."""

    rule: Any = part("models", "softmax", "which model; its own keys stand beside it", inline=True)
    dtype: Literal["float32", "float64"] = key("float32", "dtype of parameters and arithmetic")


@dataclass(frozen=True)
class Optimizer:
    """``[optimizer]``: how a gradient becomes a step."""

    rule: Any = part("optimizers", "sgd", "which optimizer; its own keys stand beside it", inline=True)
    schedule: Any = part("schedules", "constant", "how the learning rate changes")
    warmup_steps: int = key(0, "steps over which the learning rate rises linearly from 0")
    clip_norm: float = key(0.0, "largest L2 norm of a gradient; 0 is no clipping")


@dataclass(frozen=True)
class Train:
    """``[train]``: which loop, and how long."""

    mode: str = key("synchronous", "synchronous, federated, forest, or factorization")
    epochs: int = key(20, "passes over the rows (synchronous)")
    rounds: int = key(100, "rounds (federated)")
    iterations: int = key(15, "iterations (factorization)")
    batch_size: int | Literal["full"] = key(128, "rows per step over all ranks; `full` is gradient descent")
    groups: int = key(0, "groups of a batch's rows in reproducible mode; 0 derives them from batch_size")
    time_limit: float = key(0.0, "seconds after which the run checkpoints and stops; 0 is none")

    def __post_init__(self) -> None:
        if isinstance(self.batch_size, int):
            positive(self, "batch_size")
        if self.groups & (self.groups - 1):
            raise ValueError(f"groups = {self.groups}: a power of two is needed")


@dataclass(frozen=True)
class Federated:
    """``[federated]``: clients, rounds and what they exchange."""

    clients: int = key(100, "clients that the rows are dealt to")
    partition: Any = part("partitions", "iid", "how rows are dealt to clients")
    clients_per_round: int = key(10, "clients drawn for a round")
    fraction: float = key(0.0, "clients drawn for a round, as a fraction; 0 uses clients_per_round")
    local_epochs: int = key(1, "passes over a client's rows in a round")
    local_steps: int = key(0, "steps of a client in a round; 0 uses local_epochs")
    batch_size: int | Literal["full"] = key(10, "rows of a client's step")
    strategy: Any = part("strategies", "fedavg", "what clients do and what the server does with it")
    aggregator: Any = part("aggregators", "mean", "how updates become one")
    server: Any = part(
        "optimizers", "sgd", "the server's optimizer; learning_rate 1 unless set", given={"learning_rate": 1.0}
    )
    sampler: Any = part("samplers", "uniform", "how a round's clients are drawn")
    weighting: Literal["", "rows", "one"] = key("", "weight of an update; the strategy's own unless set")
    exchange: Literal["reduce", "gather"] = key("reduce", "sum updates by Reduce, or gather them on rank 0")
    bound: float = key(64.0, "largest magnitude of a value in an update; a client past it is left out of the round")

    def __post_init__(self) -> None:
        for name in ("clients", "clients_per_round", "local_epochs", "bound"):
            positive(self, name)
        if isinstance(self.batch_size, int):
            positive(self, "batch_size")
        if not 0 <= self.fraction <= 1:
            raise ValueError(f"fraction = {self.fraction}: a value from 0 to 1 is needed")
        if self.local_steps < 0:
            raise ValueError(f"local_steps = {self.local_steps}: 0 or more is needed")
        if self.strategy is not None:  # None: a job of another mode
            together(self)


@dataclass(frozen=True)
class Checkpoint:
    """``[checkpoint]``: when the state is written, and how much is kept."""

    every_seconds: float = key(600.0, "seconds between checkpoints; 0 is never")
    every_steps: int = key(0, "steps between checkpoints; 0 is never")
    every_rounds: int = key(0, "rounds between checkpoints; 0 is never")
    keep: int = key(2, "newest checkpoints that are kept")


@dataclass(frozen=True)
class Evaluate:
    """``[evaluate]``: when the model is measured, and on what."""

    every: int = key(1, "epochs or rounds between evaluations; the last one always")


@dataclass(frozen=True)
class Communication:
    """``[comm]``: how ranks talk."""

    timeout: float = key(600.0, "seconds after which a rank that does not answer is given up; 0 is never")


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
        if self.train.mode == "federated" and strategy.optimizer == "linear" and not self.optimizer.rule.linear:
            raise ValueError(
                f"optimizer.name = '{schema.name_of(self.optimizer.rule)}': strategy '{schema.name_of(strategy)}' "
                "is valid for linear local optimizers only; use 'sgd', with momentum if you like"
            )


def together(fed: Federated) -> None:
    """Raise ValueError if parts of a federation do not go together (the one rule of what fits)."""
    rule, name = fed.aggregator, schema.name_of(fed.aggregator)
    if not rule.stack:
        return
    for sent in fed.strategy.sends:
        if not sent.robust:
            raise ValueError(
                f"aggregator = '{name}': strategy '{schema.name_of(fed.strategy)}' also sends '{sent.name}', "
                "which only a mean can combine; use 'mean'"
            )
    if not fed.fraction and fed.clients_per_round < rule.needs():
        raise ValueError(
            f"aggregator = '{name}': {rule.needs()} or more clients a round are needed, "
            f"clients_per_round is {fed.clients_per_round}"
        )


def positive(value: Any, name: str) -> None:
    """Raise ValueError unless the key `name` of `value` is above zero."""
    if not getattr(value, name) > 0:
        raise ValueError(f"{name} = {getattr(value, name)}: a value above 0 is needed")


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
        return tomllib.loads(path.read_text())
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
        table[name] = {"name": inner} if isinstance(inner, str) else dict(inner)
        table = table[name]
    table[last] = value
