"""Time of a forest and of boosting, beside scikit-learn, scikit-learn-intelex, XGBoost and LightGBM.

python benchmarks/forest.py [--ranks 2] [--rows 100000] [--trees 100] [--rounds 200] [--turns 2]
    [--case NAME ...] [--launcher mpirun]

Two classes, 28 float32 features, a fifth as many rows again to test on. All cases run in turns; each writes a JSON
line a turn, and at the end a line a target: median and spread over the turns of the ratio that the target is about. A
first turn, of one tree each, is not counted. Peers run if they are installed, with as many threads as there are
ranks, on the same rows; otherwise their line says so. hpcfl's seconds are ``train_seconds``: binning, exchange,
growing; peers' are of ``fit``. All predict the training rows on one core. ``--case`` runs the named cases only.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from pairs import emit, machine, options, plot, spread

from hpcfl.data import h5
from hpcfl.inference import load_run

Split = tuple[np.ndarray, np.ndarray]
FOREST: dict[str, dict[str, Any]] = {
    "forest over trees": {"distribute": "trees"},
    "forest over rows": {"distribute": "rows"},
    "boosting": {"boosting": True, "max_depth": 6, "min_samples_leaf": 20, "l2": 0.0},
}
HOW: dict[str, tuple[str, Callable[[float, float], float]]] = {
    "times less": ("ratio", lambda own, other: other / own),
    "times as much": ("ratio", lambda own, other: own / other),
    "above": ("gap", lambda own, other: own - other),
}
TARGETS: list[tuple[str, str, str, str, dict[str, float]]] = [
    ("times less", "seconds", "forest over trees", "scikit-learn forest", {"target": 12.0}),
    ("times less", "seconds", "forest over trees", "XGBoost forest", {"target": 3.0}),
    ("times less", "seconds", "forest over trees", "scikit-learn-intelex forest", {"target": 2.0}),
    ("times less", "seconds", "forest over rows", "scikit-learn-intelex forest", {"target": 1.3}),
    ("times less", "predict_us_a_row", "forest over trees", "scikit-learn forest", {"target": 2.0}),
    ("times as much", "seconds", "boosting", "LightGBM boosting", {"at most": 1.3}),
    ("above", "accuracy", "forest over trees", "scikit-learn forest", {"target": -0.005}),
    ("above", "log_loss", "boosting", "LightGBM boosting", {"at most": 0.0}),
]


def wanted(case: str, args: argparse.Namespace) -> bool:
    """Return whether to run a case."""
    return not args.case or case in args.case


def rows(count: int, seed: int = 0) -> Split:
    """Return features (count, 28) and classes with products, ranks and noise between them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 28)).astype(np.float32)
    x[:, 20:] = np.abs(x[:, 20:] + x[:, :8]).round(2)
    signal = x[:, 0] * x[:, 1] + np.abs(x[:, 2]) - x[:, 3] + x[:, 4] * x[:, 5] + x[:, 20] / 2
    return x, (signal + rng.normal(size=count) > 0.8).astype(np.int64)


def own(folder: Path, launch: list[str], args: argparse.Namespace, x: np.ndarray) -> Iterator[dict[str, Any]]:
    """Yield hpcfl's line of each case."""
    for name, model in FOREST.items():
        if not wanted(name, args):
            continue
        trees = args.rounds if model.get("boosting") else args.trees
        job = {
            "output": str(folder / name),
            "data": {"train": str(folder / "a.h5"), "test": str(folder / "b.h5")},
            "model": {"name": "forest", "trees": trees, **model},
            "train": {"mode": "forest"},
            "evaluate": {"every": 1 << 30},
        }
        code = f"import hpcfl; hpcfl.train({job!r}, overwrite=True)"
        subprocess.run([*launch, sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
        summary = json.loads((folder / name / "summary.json").read_text())
        model_of = load_run(folder / name)
        model_of.predict(x[:10])
        start = perf_counter()
        model_of.predict(x)
        predicted = (perf_counter() - start) / len(x)
        final = {k: summary["final"]["test"][k] for k in ("accuracy", "log_loss")}
        final["peak_memory_bytes"] = summary["peak_memory_bytes"]
        yield {"case": name, "seconds": summary["train_seconds"], "predict_us_a_row": predicted * 1e6, **final}


def peers(args: argparse.Namespace) -> dict[str, tuple[str, Callable[[], Any]]]:
    """Return, by name, the module that a peer needs and what makes its model."""
    n, trees, rounds = args.ranks, args.trees, args.rounds

    def sklearn() -> Any:
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(trees, n_jobs=n, random_state=0)

    def intelex() -> Any:
        from sklearnex.ensemble import RandomForestClassifier

        return RandomForestClassifier(trees, n_jobs=n, random_state=0)

    def xgboost_forest() -> Any:
        from xgboost import XGBRFClassifier

        # Its trees are not grown out, as ours and scikit-learn's are.
        return XGBRFClassifier(n_estimators=trees, n_jobs=n, max_depth=16, subsample=0.632, colsample_bynode=5 / 28)

    def lightgbm() -> Any:
        from lightgbm import LGBMClassifier

        return LGBMClassifier(
            n_estimators=rounds, max_depth=6, num_leaves=64, max_bin=255, n_jobs=n, verbose=-1
        )  # fmt: skip

    def xgboost() -> Any:
        from xgboost import XGBClassifier

        return XGBClassifier(n_estimators=rounds, max_depth=6, max_bin=255, learning_rate=0.1, n_jobs=n)

    return {
        "scikit-learn forest": ("sklearn", sklearn),
        "scikit-learn-intelex forest": ("sklearnex", intelex),
        "XGBoost forest": ("xgboost", xgboost_forest),
        "LightGBM boosting": ("lightgbm", lightgbm),
        "XGBoost boosting": ("xgboost", xgboost),
    }


def measure(name: str, make: Callable[[], Any], train: Split, test: Split) -> dict[str, Any]:
    """Return a peer's line."""
    model = make()
    start = perf_counter()
    model.fit(*train)
    seconds = perf_counter() - start
    model.set_params(n_jobs=1)
    start = perf_counter()
    model.predict_proba(train[0])
    predicted = (perf_counter() - start) / len(train[0])
    share = np.clip(model.predict_proba(test[0])[:, 1].astype(float), 1e-15, 1 - 1e-15)
    y = test[1]
    loss = -np.mean(y * np.log(share) + (1 - y) * np.log(1 - share))
    accuracy = float(((share > 0.5) == y).mean())
    return {
        "case": name, "seconds": seconds, "predict_us_a_row": predicted * 1e6, "accuracy": accuracy,
        "log_loss": float(loss),
    }  # fmt: skip


def verdicts(lines: list[dict[str, Any]], rows: int) -> Iterator[dict[str, Any]]:
    """Yield a line for each target whose cases ran: what is wanted, median and spread of what was reached."""

    def taken(case: str, key: str) -> list[float]:
        return [line[key] for line in lines if line["case"] == case and key in line]

    for how, key, case, peer, aim in TARGETS:
        name, of = HOW[how]
        figures = [of(own, other) for own, other in zip(taken(case, key), taken(peer, key), strict=False)]
        if figures:
            yield {"case": f"{case}, {key} {how}", "peer": peer} | spread(name, figures) | aim
    for case in ("forest over trees", "forest over rows"):
        if peak := taken(case, "peak_memory_bytes"):
            yield {"case": f"{case}, peak memory"} | spread("bytes", peak) | {"at most": rows * 28 + 300e6}


def main() -> None:
    """Run every case in turns and print its lines, then the targets'."""
    parser = options(__doc__)
    for name, default in {"ranks": 2, "rows": 100_000, "trees": 100, "rounds": 200, "turns": 2}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--case", action="append")
    parser.add_argument("--launcher", default="mpirun")
    args = parser.parse_args()
    machine()
    train, test = rows(args.rows), rows(args.rows // 5, 1)
    lines: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, (x, y) in {"a.h5": train, "b.h5": test}.items():
            h5.write_atomic(folder / file, {"x": x, "y": y}, {"format": "hpcfl", "version": 1})
        launch = [*args.launcher.split(), "-n", str(args.ranks)]
        few = argparse.Namespace(**vars(args) | {"trees": 1, "rounds": 1})
        for turn, work in enumerate([few] + [args] * args.turns):
            for line in chain(own(folder, launch, work, train[0]), theirs(work, train, test)):
                if turn:
                    lines.append(line)
                    emit({"turn": turn, **line})
    for line in verdicts(lines, args.rows):
        emit(line)
    plot(args.plot)


def theirs(args: argparse.Namespace, train: Split, test: Split) -> Iterator[dict[str, Any]]:
    """Yield each peer's line."""
    for name, (module, make) in peers(args).items():
        if not wanted(name, args):
            continue
        missing = importlib.util.find_spec(module) is None
        yield {"case": name, "skipped": f"{module} is not installed"} if missing else measure(name, make, train, test)


if __name__ == "__main__":
    main()
