"""Predict the rows of a file with a run's model, to HDF5 or CSV."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpcfl.comm.communicator import Comm
    from hpcfl.data.predictions import Csv, Hdf5
    from hpcfl.data.table import Table
    from hpcfl.inference import Trained


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run", help="run directory of the model")
    parser.add_argument("file", help="dataset file (HDF5) whose rows are predicted, in their order")
    parser.add_argument("-o", "--output", required=True, help="file to write: .h5 or .csv")


def run(args: argparse.Namespace) -> int:
    """Predict and say what was written."""
    from hpcfl.comm.communicator import world
    from hpcfl.data.predictions import Head, writer
    from hpcfl.inference import load_run, open_for, warm

    comm = world()
    with comm.together("opening the model and the data"):
        model = load_run(args.run)
        table = open_for(model, args.file)
        meaning = "probability" if model.probabilities else "score"
        head = Head(table.rows, model.outputs, model.classes, meaning)
        out = writer(args.output, head, (*table.files, Path(args.run) / "model.h5"))
    if table.rows:
        warm(model, table, comm)
    predict(model, table, out, comm)
    if comm.rank == 0:
        print(f"{table.rows} predictions in {args.output}")
    return 0


def predict(model: Trained, table: Table, out: Hdf5 | Csv, comm: Comm) -> None:
    """Write the outputs of all rows in their order (collective).

    In each round every rank computes one block and rank 0 writes them all, so that it holds at
    most one block's outputs of each rank.
    """
    from hpcfl.inference import blocks, read_features, refuse_not_finite

    with ExitStack() as stack:
        with comm.together("opening the output"):
            append = stack.enter_context(out.open()) if comm.rank == 0 else None
        for start, stop in blocks(model, table, comm):
            with comm.together("predicting"):
                x = read_features(model, table, start, stop)
                refuse_not_finite(model, x, table, start)
                encoded = out.encode(model.predict(x))
            columns = [comm.gather(v, purpose="predictions") for v in encoded]
            with comm.together("writing predictions"):
                if append is not None:
                    for block in zip(*columns, strict=True):
                        append(list(block))
        with comm.together("closing the output"):
            stack.close()
