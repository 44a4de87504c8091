"""Measure what this machine gives: kernels beside their limits, sums over the ranks, reading."""

from __future__ import annotations

import argparse
import json
from typing import Any


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--file", default="", help="dataset file to read (default: one that is written first)")
    parser.add_argument("--folder", default=".", help="where that file is written, and deleted again (default: here)")
    parser.add_argument("--json", action="store_true", help="print one JSON line a figure in place of the table")


def run(args: argparse.Namespace) -> int:
    """Print the figures as they come, on rank 0."""
    from hpcfl.kernels import flags  # noqa: F401 I001 (first: it limits BLAS to one thread before NumPy loads it)
    from hpcfl.bench import kernels, reading, sums
    from hpcfl.comm.communicator import world

    comm, topic = world(), ""
    for part in (kernels.figures(comm), sums.figures(comm), reading.figures(comm, args.file, args.folder)):
        for figure in part:
            if comm.rank == 0:
                print(json.dumps(figure._asdict()) if args.json else line(figure, topic), flush=True)
            topic = figure.topic
    if comm.rank == 0 and comm.size == 1 and not args.json:
        print("sums\n  one rank has none to make: mpirun -n RANKS hpcfl bench")
    return 0


def line(figure: Any, topic: str) -> str:
    """Return a figure's line of the table, under its topic if it is another than the last one's."""
    share = "" if figure.share is None else f"   {figure.share:4.0%} of {figure.limit}"
    text = f"  {figure.what:52} {figure.value:10.4g} {figure.unit}{share}"
    return text if figure.topic == topic else f"{figure.topic}\n{text}"
