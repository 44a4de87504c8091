"""Train a grid of values with several seeds; under mpirun or srun each run on all ranks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpcfl.sweep.run import Made


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("job", help="job file (TOML); its output is the folder of all runs")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=V1,V2,...",
        help="values that a key takes; given again, the grid of all combinations; one value fixes a key",
    )
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="runs of each point; seeds count up (1)")
    parser.add_argument("--target", type=float, metavar="X", help="count rounds and bytes until the metric is X")
    parser.add_argument("--metric", default="", metavar="NAME", help="a test metric or train_loss (accuracy or rmse)")


def run(args: argparse.Namespace) -> int:
    """Make the runs that are not finished yet, then print the table and draw the curves."""
    from hpcfl import config
    from hpcfl.comm import slurm
    from hpcfl.comm.communicator import world
    from hpcfl.sweep import grid
    from hpcfl.sweep.run import perform

    comm = world()
    slurm.check(comm.size)
    with comm.together("reading the job file"):
        runs = grid.runs(args.job, args.set, args.seeds)
        out = Path(config.load(args.job, tuple(s for s in args.set if s.startswith("output="))).output)
    made = perform(runs, comm, lambda line: print(line, flush=True) if comm.rank == 0 else None)
    with comm.together("writing the table"):
        if comm.rank == 0:
            print("\n".join(report(made, args.metric, args.target, out)))
    return 0


def report(made: list[Made], metric: str, target: float | None, out: Path) -> list[str]:
    """Write ``sweep.txt``, ``sweep.jsonl`` and ``sweep.png`` to `out`, and return the lines to print."""
    from hpcfl import strict_json
    from hpcfl.report import sweep

    points: dict[str, list[sweep.Records]] = {}
    for one in made:
        points.setdefault(one.run.point, []).append(one.records)
    every = [records for runs in points.values() for records in runs]
    metric, step = sweep.choose(every, metric), sweep.step_name(every)
    rows = {point: sweep.row(runs, metric, target) for point, runs in points.items()}
    lines = sweep.table(rows, metric, target, step)
    (out / "sweep.txt").write_text("\n".join(lines) + "\n")
    (out / "sweep.jsonl").write_text("".join(strict_json.dumps({"point": p, **r}) + "\n" for p, r in rows.items()))
    drawn = sweep.draw(points, metric, target, step, out / "sweep.png")
    return [*lines, f"{out}/sweep.png" if drawn else "no picture: pip install '.[plot]' for one"]
