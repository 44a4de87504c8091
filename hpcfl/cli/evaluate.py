"""Measure a run's model on its test rows, or on a file."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpcfl.comm.communicator import Comm
    from hpcfl.inference import Trained

SHOWN = 20  # classes up to which the confusion matrix is printed


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run", help="run directory of the model")
    parser.add_argument("--data", metavar="FILE", help="dataset file (HDF5); the run's own test rows unless given")
    parser.add_argument("--json", action="store_true", help="print one JSON object, null where a metric is undefined")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    from hpcfl import strict_json
    from hpcfl.comm.communicator import world
    from hpcfl.inference import load_run

    comm = world()
    with comm.together("opening the model"):
        model = load_run(args.run)
        source = args.data or test_of(model)
    result = on_file(model, source, comm) if source else on_split(model, comm)
    if comm.rank == 0:
        print(strict_json.dumps(result) if args.json else table_of(result, model.classes))
    return 0


def test_of(model: Trained) -> str:
    """Return the test file that the job names, "" if it splits one off; refuse a job without either."""
    from hpcfl.errors import UsageError

    data = model.job.data
    if data.test == "none" or "{client}" in str(data.train):
        raise UsageError(f"{model.run} has no test rows of its own; give --data FILE")
    return data.test if isinstance(data.test, str) else ""


def on_split(model: Trained, comm: Comm) -> dict[str, Any]:
    """Return the metrics over the rows that the job's test split took from its table (collective)."""
    import numpy as np

    from hpcfl.data import shard
    from hpcfl.inference import as_float, warm
    from hpcfl.metrics import evaluate

    shards = shard.load(model.job.data, model.job.seed, "float64", comm, codes=bool(model.categorical))
    test = shards.test
    warm(model, shards.table, comm)
    with comm.together("evaluating"):
        outputs = np.concatenate([model.predict(as_float(x)) for x in test.parts()])
    return evaluate(outputs, test.y[:, 0], test.y[:, 1], model.task, comm, model.probabilities)


def on_file(model: Trained, path: str, comm: Comm) -> dict[str, Any]:
    """Return the metrics over the rows of a file, read block by block (collective)."""
    from hpcfl.data import checks
    from hpcfl.inference import blocks, open_for, read_labelled, warm
    from hpcfl.metrics import accumulator

    found = accumulator(model.task, len(model.classes), model.probabilities)
    with comm.together("opening the data"):
        table = open_for(model, path)
        checks.trainable(table)
    warm(model, table, comm)
    with comm.together("evaluating"):
        for start, stop in blocks(model, table, comm):
            x, y, weight = read_labelled(model, table, start, stop)
            found.add(model.predict(x), y, weight)
    return found.result(comm)


def table_of(result: dict[str, Any], classes: tuple[str, ...]) -> str:
    """Return the metrics, and the confusion matrix of a few classes, as aligned text."""
    lines = [f"{name:18} {value:#.6g}" for name, value in result.items() if isinstance(value, float)]
    if 0 < len(classes) <= SHOWN:
        cells = [[f"{v:g}" for v in row] for row in result["confusion"]]
        width = max(len(text) for row in [list(classes), *cells] for text in row)
        left = max(len(name) for name in classes)
        lines += ["", "confusion matrix: a row for each true class, a column for each predicted one"]
        rows = [list(classes), *cells]
        for name, row in zip(["", *classes], rows, strict=True):
            lines.append("  ".join([f"{name:{left}}", *(f"{text:>{width}}" for text in row)]))
    return "\n".join(lines)
