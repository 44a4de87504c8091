"""Write a partition as files, one a client, and show who holds what."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpcfl.config import Job
    from hpcfl.federated.population import Population

SHOWN = 40  # clients that are printed; the file has all


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("job", help="job file (TOML) of a federated job; its [data] and [federated] say what is dealt")
    parser.add_argument("out", metavar="OUTDIR", help="new folder: silo-{client}.h5, test.h5, job.toml, holdings.txt")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of the job file"
    )


def run(args: argparse.Namespace) -> int:
    """Write the files on rank 0 (the others wait)."""
    from hpcfl import config
    from hpcfl.comm.communicator import world

    comm = world()
    with comm.together("writing the silos"):
        if comm.rank == 0:
            print("\n".join(write(config.load(args.job, tuple(args.set)), Path(args.out))))
    return 0


def write(job: Job, out: Path) -> list[str]:
    """Write the silos of `job` to the new folder `out`, and return what to print.

    Raises
    ------
    UsageError
        The folder holds something, the job is not federated or reads silos already, or the
        partition cannot be made.
    """
    import numpy as np

    from hpcfl.comm.communicator import alone
    from hpcfl.data import silos
    from hpcfl.federated import population

    _refuse(job, out)
    # All rows, targets as they are stored; what silos keep back follows when they are read.
    whole = replace(job.federated, client_test=0.0, client_validation=0.0, held_out_clients=0)
    exact = replace(job, model=replace(job.model, dtype="float64"), federated=whole)
    people = population.simulated(exact, alone())
    attrs = silos.attributes(people.shards)
    out.mkdir(parents=True, exist_ok=True)
    for client, rows in _dealt(people):
        silos.write(out / f"silo-{client}.h5", people.shards.train, rows, attrs)
    test = people.shards.test
    if test.rows:
        silos.write(out / "test.h5", test, np.arange(test.rows), attrs)
    _job(job, out, bool(test.rows))
    return _show(people, attrs, out)


def _refuse(job: Job, out: Path) -> None:
    from hpcfl.errors import UsageError

    if job.train.mode != "federated":
        raise UsageError(f"train.mode = '{job.train.mode}': only a federated job has clients; set it to 'federated'")
    if "{client}" in job.data.train:
        raise UsageError(f"data.train = '{job.data.train}': these are silos already; name one table")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} holds something already; name a new folder")


def _dealt(people: Population) -> list[tuple[int, Any]]:
    """Return the clients that have rows, and their rows."""
    bounds = zip(people.starts[:-1].tolist(), people.starts[1:].tolist(), strict=True)
    return [(client, people.rows[a:b]) for client, (a, b) in enumerate(bounds) if b > a]


def _job(job: Job, out: Path, tested: bool) -> None:
    """Write the job file that trains on the silos."""
    import tomli_w

    from hpcfl import config

    table = config.dump(job)
    table["data"] |= {"train": str(out / "silo-{client}.h5"), "test": str(out / "test.h5") if tested else "none"}
    table["data"] |= {"x": "x", "y": "y"}
    (out / "job.toml").write_text(tomli_w.dumps(table), "utf-8")


def _show(people: Population, attrs: dict[str, Any], out: Path) -> list[str]:
    """Write table and picture, and return the lines to print."""
    import numpy as np

    from hpcfl.report import holdings

    classes = attrs.get("classes", [])
    label, dealt = people.shards.train.y[:, 0], _dealt(people)
    counts = np.array(
        [np.bincount(label[r].astype(np.int64), minlength=len(classes)) if classes else [len(r)] for _, r in dealt]
    )
    names = [str(client) for client, _ in dealt]
    lines = holdings.table(names, counts, classes)
    about = [holdings.summary(counts, classes)]
    (out / "holdings.txt").write_text("\n".join(about + lines) + "\n")
    drawn = holdings.draw(names, counts, classes, out / "holdings.png")
    picture = f"{out}/holdings.png" if drawn else "no picture: pip install '.[plot]' for one"
    more = [f"... all of them in {out}/holdings.txt"] if len(names) > SHOWN else []
    return [*lines[: SHOWN + 1], *more, *about, picture, f"try next: hpcfl train {out}/job.toml"]
