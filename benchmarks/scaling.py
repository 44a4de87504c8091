"""How training scales past this machine: a cost model fitted to measured runs, checked, and drawn to 4,096 ranks.

``python benchmarks/scaling.py --plot scaling.png`` trains the MLP 784-200-200-10, the softmax 784-10 and the logistic
model on CSR rows (10,000 columns, 50 non-zeros a row) on 1, 2, 4 and 8 ranks, and times sums by message size. The
seconds of a step of B rows on p ranks, with a vector of n bytes, are

    f ((fixed + row B / p) (1 + spread sqrt(2 ln p)) + latency log2 p + n 2 (p - 1) / p / bandwidth)

with `fixed` and `row` of each model. Where ranks share cores, f = 1 + share (p / cores - 1): a rank that waits keeps a
core from one that works, so `share` is above 1. A cluster has f = 1. Batches and message sizes in HELD are not fitted
but predicted. JSON lines.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROWS, COLUMNS, NONZEROS = 16_384, 10_000, 50
MODELS: dict[str, dict[str, Any]] = {
    "MLP 784-200-200-10": {"name": "mlp"},
    "softmax 784-10": {"name": "softmax"},
    "logistic, CSR": {"name": "logistic"},
}
PARAMETERS = {"MLP 784-200-200-10": 199_210, "softmax 784-10": 7850, "logistic, CSR": COLUMNS + 1}
BATCHES, SIZES = (128, 512, 1024, 2048), (16, 1024, 16_384, 65_536, 262_144, 1_048_576)
HELD = {512, 16_384, 262_144}  # batches and sizes of sums that the fit does not see
RANKS = (1, 2, 4, 8)
STRONG, WEAK = 4096, 256  # rows of a step: over all ranks, and a rank
LEFT_OUT = (
    "Left out: where ranks lie in the network and what else runs in it; that the ranks of a node share its link and "
    "its memory;\nnoise that comes in bursts; reading, evaluation, checkpoints; that 8 ranks are extrapolated to 4,096."
)
Run = dict[str, Any]


class Model(NamedTuple):
    """What was fitted: the seconds of each term, how far ranks differ, what sharing a core costs."""

    seconds: np.ndarray
    spread: float
    share: float


def write(folder: Path) -> None:
    """Write the rows of the dense models and of the sparse one."""
    from hpcfl.data.h5 import write_atomic

    rng, head = np.random.default_rng(0), {"format": "hpcfl", "version": 1, "task": "classification"}
    y = rng.integers(0, 10, ROWS)
    write_atomic(folder / "dense.h5", {"x": rng.random((ROWS, 784), np.float32), "y": y}, head)
    strip = COLUMNS // NONZEROS
    indices = np.arange(NONZEROS) * strip + rng.integers(0, strip, (ROWS, NONZEROS))
    arrays = {
        "x/data": np.ones(indices.size, np.float32),
        "x/indices": indices.astype(np.int32).ravel(),
        "x/indptr": np.arange(0, indices.size + 1, NONZEROS, dtype=np.int64),
        "y": y % 2,
    }
    write_atomic(folder / "sparse.h5", arrays, head | {"features": COLUMNS})


def work(folder: Path) -> None:
    """On each of some ranks: train and sum, and print the runs from rank 0."""
    import hpcfl
    from hpcfl.bench.sums import measure
    from hpcfl.comm.communicator import world

    comm = world()
    for model, keys in MODELS.items():
        for batch in BATCHES:
            job = {
                "output": str(folder / f"run-{comm.size}-{keys['name']}-{batch}"),
                "data": {"train": str(folder / ("sparse.h5" if "CSR" in model else "dense.h5")), "test": "none"},
                "model": keys,
                "optimizer": {"learning_rate": 0.01, "momentum": 0.9},
                "train": {"epochs": 3, "batch_size": batch},
                "checkpoint": {"every_seconds": 0.0},
            }
            hpcfl.train(job, comm)
            if comm.rank == 0:
                summary = json.loads((Path(str(job["output"])) / "summary.json").read_text())
                each = summary["train_seconds"] / summary["steps"]
                line = {"model": model, "ranks": comm.size, "size": batch, "seconds": each}
                print(json.dumps(line), flush=True)
    for size in SIZES if comm.size > 1 else ():
        each = comm.max(measure(comm, size, 0.5))
        if comm.rank == 0:
            print(json.dumps({"model": "sum", "ranks": comm.size, "size": size, "seconds": each}), flush=True)


def measured(launcher: list[str]) -> list[Run]:
    """Return the runs on all numbers of ranks."""
    out: list[Run] = []
    with tempfile.TemporaryDirectory() as name:
        write(Path(name))
        for ranks in RANKS:
            command = [*launcher, "-n", str(ranks), sys.executable, __file__, "--work", name]
            env = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
            text = subprocess.run(command, check=True, env=env, stdout=subprocess.PIPE, text=True).stdout
            out += [json.loads(line) for line in text.splitlines() if line.startswith('{"model"')]
    return out


def terms(run: Run, spread: float, share: float, cores: float) -> np.ndarray:
    """Return what each of the seconds fitted is multiplied by in a run's."""
    p, model, row = run["ranks"], run["model"], np.zeros(2 * len(MODELS) + 2)
    late = 1 + spread * np.sqrt(2 * np.log(p))
    if model != "sum":
        at = 2 * list(MODELS).index(model)
        row[at : at + 2] = late, late * run["size"] / p
    nbytes = 4 * PARAMETERS.get(model, run["size"])
    row[-2:] = np.ceil(np.log2(p)), nbytes * 2 * (p - 1) / p
    return row * (1 + share * max(p / cores - 1, 0.0))


def fit(runs: list[Run], cores: float) -> Model:
    """Return the model with the least relative error, no seconds below zero."""
    from scipy.optimize import nnls

    best: tuple[float, Model] | None = None
    for spread, share in product(np.linspace(0, 1, 51), np.linspace(1, 3, 41)):
        table = np.array([terms(run, spread, share, cores) / run["seconds"] for run in runs])
        scale = np.maximum(table.max(axis=0), 1e-300)
        x, rest = nnls(table / scale, np.ones(len(runs)))
        if best is None or rest < best[0]:
            best = rest, Model(x / scale, float(spread), float(share))
    assert best is not None
    return best[1]


def seconds(run: Run, model: Model, cores: float) -> float:
    """Return the predicted seconds of a run."""
    return float(terms(run, model.spread, model.share, cores) @ model.seconds)


def errors(runs: list[Run], model: Model, cores: float) -> np.ndarray:
    """Return the relative error of each run's prediction."""
    return np.array([seconds(run, model, cores) / run["seconds"] - 1 for run in runs])


def speeds(model: Model, name: str, ranks: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the rows a second on as many cores as ranks, `rows` a step over all of them."""
    runs = [{"model": name, "ranks": int(p), "size": float(b)} for p, b in zip(ranks, rows, strict=True)]
    return rows / np.array([seconds(run, model, np.inf) for run in runs])


def draw(path: str, model: Model, network: Model, note: str) -> None:
    """Draw the speed-up over one rank, with the sums as measured and with a network's."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    ranks = 2 ** np.arange(13)
    figure, axes = pyplot.subplots(1, 2, figsize=(12, 6), sharey=True)
    cases = {f"strong: {STRONG:,} rows a step": np.full(13, STRONG), f"weak: {WEAK} rows a rank and step": WEAK * ranks}
    for axis, (title, rows) in zip(axes, cases.items(), strict=True):
        axis.plot(ranks, ranks, ":", color="grey", label="ideal")
        for k, name in enumerate(MODELS):
            for one, style, more in ((model, "-", ""), (network, "--", ", given network")):
                speed = speeds(one, name, ranks, rows)
                axis.plot(ranks, speed / speed[0], style, color=f"C{k}", label=name + more)
        axis.axvspan(1, max(RANKS), color="grey", alpha=0.15, lw=0)
        axis.set(xscale="log", yscale="log", xlabel="ranks (grey: measured)", title=title)
        axis.set_xscale("log", base=2)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("predicted rows a second, over one rank's")
    axes[0].legend(fontsize=8)
    figure.text(0.02, 0.02, f"{note}\n{LEFT_OUT}", fontsize=8, va="bottom")
    figure.tight_layout(rect=(0, 0.13, 1, 1))
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure, fit, check, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", default="", help=argparse.SUPPRESS)
    parser.add_argument("--launcher", default="mpirun")
    parser.add_argument("--latency", type=float, default=2e-6, help="seconds of a message in the given network")
    parser.add_argument("--bandwidth", type=float, default=12.5e9, help="its bytes a second and rank")
    parser.add_argument("--plot", default="", help="where to draw (PNG)")
    args = parser.parse_args()
    if args.work:
        return work(Path(args.work))
    cores, runs = float(len(os.sched_getaffinity(0))), measured(args.launcher.split())
    seen, held = ([run for run in runs if (run["size"] in HELD) == out] for out in (False, True))
    model = fit(seen, cores)
    for run, error in zip(runs, errors(runs, model, cores), strict=True):
        print(json.dumps(run | {"held_out": run["size"] in HELD, "error": round(float(error), 3)}))
    off = {name: np.abs(errors(part, model, cores)) for name, part in (("fitted", seen), ("held_out", held))}
    names = [f"{part}, {name}" for name in MODELS for part in ("fixed", "row")] + ["latency", "byte"]
    line = {"cores": cores, **model._asdict(), "seconds": dict(zip(names, model.seconds.tolist(), strict=True))}
    for name, e in off.items():
        line |= {f"{name}_median": round(float(np.median(e)), 3), f"{name}_most": round(float(e.max()), 3)}
    print(json.dumps(line))
    network = model._replace(seconds=np.append(model.seconds[:-2], (args.latency, 1 / args.bandwidth)))
    for name in MODELS:
        for case, rows in (("strong", STRONG), ("weak", WEAK * 4096)):
            both = [speeds(one, name, np.array([4096]), np.array([rows])) for one in (model, network)]
            predicted = dict(zip(("as_measured", "given_network"), (float(v[0]) for v in both), strict=True))
            print(json.dumps({"model": name, "ranks": 4096, "case": case, "rows": rows, **predicted}))
    if args.plot:
        note = (
            f"Fitted to runs on 1 to 8 ranks sharing {cores:.0f} cores; error on held-out runs: median "
            f"{np.median(off['held_out']):.0%}, most {off['held_out'].max():.0%}; ranks' seconds differ by "
            f"{model.spread:.0%}.\nSolid: sums as measured in this machine's memory. "
            f"Dashed: a network given as {args.latency * 1e6:g} us a message, "
            f"{args.bandwidth / 1e9:g} GB/s a rank."
        )
        draw(args.plot, model, network, note)


if __name__ == "__main__":
    main()
