"""A run's model put to use: its outputs for the rows of any table, block by block."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcfl import config
from hpcfl.data import categories, checks, h5, names
from hpcfl.data.csr import CSR
from hpcfl.data.store import take
from hpcfl.data.table import Table, open_table
from hpcfl.errors import DataError, UsageError

if TYPE_CHECKING:
    from hpcfl.comm.communicator import Comm

BLOCK = 4 << 20  # bytes of a block's features, converted to float64, and outputs


@dataclass(frozen=True)
class Trained:
    """The model of a run directory.

    Attributes
    ----------
    run : str
        The run directory.
    job : Job
        The job that made it.
    task : {"classification", "regression"}
    classes : tuple of str
        Names of the classes, in the order of their labels; () for regression.
    features : int
    sparse : bool
        Whether it takes CSR rows as they are; otherwise they are made dense, block by block.
    names : list of str
        Of the features, if the training data named them.
    categorical : dict of str to list of str
        The categories of each categorical feature, in the order of their codes.
    predict : callable
        Rows, dense (n, features) or CSR, to outputs (n, k).
    """

    run: str
    job: config.Job
    task: str
    classes: tuple[str, ...]
    features: int
    sparse: bool
    names: list[str]
    categorical: dict[str, list[str]]
    predict: Callable[[Any], np.ndarray]

    @property
    def probabilities(self) -> bool:
        """Whether outputs are class probabilities (or values), not mere scores."""
        return bool(getattr(self.job.model.rule, "probabilities", True))

    @property
    def outputs(self) -> int:
        """Columns of what `predict` gives."""
        return len(self.classes) or 1


def load_run(run: str | Path) -> Trained:
    """Read the model of a run directory.

    Raises
    ------
    UsageError
        There is no such directory, or no model in it.
    DataError
        The model file is damaged.
    """
    arrays, attrs = read_model(run)
    if attrs.get("task") == "ratings":
        raise UsageError(f"{run}: its model is of ratings, measured in {run}/summary.json; see 'hpcfl recommend {run}'")
    missing = {"job", "task", "classes", "features"} - set(attrs)
    if missing:
        raise DataError(f"{run}/model.h5 lacks {', '.join(sorted(missing))}; it is no model of hpcfl, train it again")
    job = config.load(attrs["job"])
    classes = tuple(str(name) for name in attrs["classes"]) if attrs["task"] == "classification" else ()
    # A shift of the features, as standardization makes, would fill the zeros of CSR rows.
    sparse = _takes_sparse(job.model.rule) and arrays.get("affine", np.empty(0)).size == 0
    predict = job.model.rule.predictor(arrays, attrs)
    columns = attrs.get("feature_names", []), attrs.get("categorical", {})
    return Trained(str(run), job, str(attrs["task"]), classes, int(attrs["features"]), sparse, *columns, predict)


def read_model(run: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and the attributes of a run's ``model.h5``; errors as `load_run`."""
    run = Path(run)
    if not run.is_dir():
        raise UsageError(f"{run}: no such run directory; give the one that 'hpcfl train' named")
    if not (run / "model.h5").is_file():
        raise UsageError(f"{run} has no model.h5 yet; finish it by 'hpcfl train {run}/job.toml --resume'")
    arrays, raw = h5.read(run / "model.h5")
    attrs = {name: _decode(value) for name, value in raw.items()}
    return arrays, attrs


def open_for(model: Trained, path: str) -> Table:
    """Open a data file for a model.

    Raises
    ------
    DataError
        It is no dataset file, or its features are not the model's.
    """
    table = open_table(path, model.job.data.x, model.job.data.y, model.task)
    if table.kind == "ratings":
        raise DataError(f"{path} holds ratings; a file with features x is needed")
    if table.features != model.features and not (table.kind == "csr" and table.features < model.features):
        raise DataError(
            f"{path} has {table.features} features, the model of {model.run} takes {model.features}; "
            "give data with the columns that it was trained on"
        )
    names.columns(path, table.attrs, model.run, {"feature_names": model.names})
    categories.translation(table, model.categorical)
    return table


def blocks(model: Trained, table: Table, comm: Comm) -> Iterator[tuple[int, int]]:
    """Yield [start, stop) of this rank's rows, one block a round.

    The table is cut into blocks that depend on the table and the model alone, so that outputs have
    the same bits on any number of ranks; in round i the ranks hold the next `comm.size` blocks, in
    rank order. All ranks see the same number of rounds, at the end perhaps with no rows.
    """
    width = min(table.features, 1024) if table.kind == "csr" and model.sparse else table.features
    rows = max(1, BLOCK // (16 * width + 16 * model.outputs))
    for first in range(0, table.rows, rows * comm.size):
        start = min(first + rows * comm.rank, table.rows)
        yield start, min(start + rows, table.rows)


def read_features(model: Trained, table: Table, start: int, stop: int) -> np.ndarray | CSR:
    """Return rows [start, stop) as the model takes them: float32 or float64, CSR if it can."""
    x = as_float(table.read(start, stop))
    if not isinstance(x, CSR):
        return categories.translate(x, categories.translation(table, model.categorical))
    return x if model.sparse else dense(x, model.features)


def as_float(x: np.ndarray | CSR) -> np.ndarray | CSR:
    """Return `x` with values in float32, or float64 where that would lose some."""
    if isinstance(x, CSR):
        return CSR(x.data.astype(np.result_type(x.data.dtype, np.float32), copy=False), x.indices, x.indptr)
    return x.astype(np.result_type(x.dtype, np.float32), copy=False)


def warm(model: Trained, table: Table, comm: Comm) -> None:
    """Compile the kernels that prediction needs, once on each node (collective)."""
    with comm.node_first("compiling kernels"):
        model.predict(read_features(model, table, 0, 1))


def refuse_not_finite(model: Trained, x: np.ndarray | CSR, table: Table, start: int) -> None:
    """Raise DataError naming the first value of `x`, from row `start` on, that is not finite and not kept."""
    bad = checks.not_finite(x)
    if bad.any() and model.job.data.missing != "keep":
        found = checks.name_bad(table, x, bad, start).partition(";")[0]
        raise DataError(f"{found}; mend it or take the row out, since every row of the file gets a prediction")


def read_labelled(
    model: Trained, table: Table, start: int, stop: int
) -> tuple[np.ndarray | CSR, np.ndarray, np.ndarray]:
    """Return features, targets (m,) and weights (m,) of rows [start, stop).

    Targets are labels of the model's classes, by name where the file names its own. Rows with
    values that are not finite are refused, or left out if the job says ``missing = "drop"``.

    Raises
    ------
    DataError
        For such a row, a label or a target that is wrong, or a class that the model does not know.
    """
    x = read_features(model, table, start, stop)
    label = checks.labels(table, start, stop)
    if model.classes:
        y = checks.known(table, label, np.arange(start, stop), model.classes)
    else:
        y = table.column("y", start, stop)
    weight = table.column("weight", start, stop) if table.has("weight") else np.ones(stop - start)
    bad = checks.not_finite(x)
    if bad.any() and model.job.data.missing == "drop":
        x = take(x, ~bad) if isinstance(x, CSR) else x[~bad]
        y, weight = y[~bad], weight[~bad]
    elif bad.any() and model.job.data.missing == "error":
        raise DataError(checks.name_bad(table, x, bad, start))
    return x, y, weight


def dense(x: CSR, features: int) -> np.ndarray:
    """Return CSR rows as a dense matrix (n, features)."""
    n = len(x.indptr) - 1
    out = np.zeros((n, features), x.data.dtype)
    out[np.repeat(np.arange(n), np.diff(x.indptr)), x.indices] = x.data
    return out


def _takes_sparse(rule: Any) -> bool:
    try:
        return bool(rule.loss_grad(True))
    except (AttributeError, ValueError):
        return False


def _decode(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) and value[:1] in ("[", "{") else value
