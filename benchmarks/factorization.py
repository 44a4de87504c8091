"""Time of a factorization of MovieLens-1M's shape, beside Spark, implicit and libmf.

python benchmarks/factorization.py [--case explicit] [--ranks 2] [--rounds 3] [--launcher mpirun]

Synthetic ratings, 6,040 users x 3,706 items, a tenth of 1,000,000 held out, rank 32, 10 iterations. In each round
ours and then the case's peer run, with as many threads as there are ranks, on the same ratings; one run of each goes
before them. Writes a JSON line a case: medians, all times, the peer's over ours. A peer that is not installed is
said. Times are of training alone; libmf sorts its ratings while it trains, so that its time is that of 11 iterations
less that of 1. Ours makes 15 iterations of SGD, which brings its RMSE below libmf's after 10. Learning rates and
penalties of SGD were chosen on a tenth of the training ratings (`--tune` searches `GRID`); the test ratings are not
looked at.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from pairs import emit, in_turn, machine, options, plot, ratio

USERS, ITEMS, RANK, ITERATIONS = 6040, 3706, 32, 10
CASES: dict[str, dict[str, Any]] = {
    "explicit": {"name": "als", "regularization": 0.05},
    "explicit, no biases": {"name": "als", "regularization": 0.05, "biases": False},
    "implicit cholesky": {
        "name": "als",
        "implicit": True,
        "alpha": 2.0,
        "regularization": 0.1,
        "scale_by_count": False,
    },
    "implicit cg": {
        **{"name": "als", "implicit": True, "alpha": 2.0, "regularization": 0.1, "scale_by_count": False},
        "solver": "cg",
    },
    "sgd": {"name": "sgd_mf", "regularization": 0.03, "learning_rate": 0.03},
    "svd++": {"name": "sgd_mf", "regularization": 0.03, "learning_rate": 0.03, "feedback": True},
    "federated": {"name": "federated_mf"},
}
MORE = {"sgd": 15, "svd++": 15}  # iterations: what brings the RMSE below libmf's after ITERATIONS
Columns = dict[str, np.ndarray]
Run = Callable[[], dict[str, Any]]
LIBMF = (0.1, 0.02)  # learning rate and penalty
GRID = [(rate, penalty) for rate in (0.03, 0.05, 0.1, 0.2) for penalty in (0.01, 0.02, 0.03, 0.05)]


def ratings(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Return ratings of rank 16 with biases and noise; popularity and activity by power laws."""
    rng = np.random.default_rng(seed)
    activity = rng.lognormal(0, 1, USERS)
    counts = np.clip((activity / activity.sum() * rows * 1.05).astype(int), 10, ITEMS // 2)
    popular = -0.8 * np.log(np.arange(ITEMS) + 10.0)
    p, q = rng.normal(size=(USERS, 16)) / 4, rng.normal(size=(ITEMS, 16))
    user = np.repeat(np.arange(USERS), counts)
    item = np.concatenate([np.argpartition(-(popular + rng.gumbel(size=ITEMS)), c)[:c] for c in counts])
    clean = 3.5 + rng.normal(0, 0.4, USERS)[user] + rng.normal(0, 0.5, ITEMS)[item] + (p[user] * q[item]).sum(1)
    rating = np.clip(np.rint(clean + rng.normal(0, 0.6, user.size)), 1, 5).astype(np.float32)
    keep = rng.permutation(user.size)[:rows]
    return {"user": user[keep].astype(np.int32), "item": item[keep].astype(np.int32), "rating": rating[keep]}


def save(folder: Path, train: Columns, test: Columns) -> None:
    """Write both parts as dataset files."""
    from hpcfl.data.h5 import write_atomic

    for part, rows in (("train", train), ("test", test)):
        write_atomic(folder / f"{part}.h5", rows, {"format": "hpcfl", "version": 1, "task": "ratings"})


def own(model: dict[str, Any], folder: Path, launch: list[str], ranks: int, iterations: int) -> dict[str, Any]:
    """Train twice in one start, the first time to warm up; return the second's time and metrics."""
    job = {
        "data": {"train": str(folder / "train.h5"), "test": str(folder / "test.h5")},
        "model": {"rank": RANK, **model},
        "train": {"mode": "factorization", "iterations": iterations},
        "evaluate": {"every": iterations},
        "output": str(folder / "run"),
    }
    code = "import json, sys; from hpcfl import config; from hpcfl.comm.communicator import world\n"
    code += "from hpcfl.trainers.run import records\n"
    code += "for _ in range(2):\n    list(records(config.load(json.loads(sys.argv[1])), world(), True))"
    subprocess.run([*launch, "-n", str(ranks), sys.executable, "-c", code, json.dumps(job)], check=True)
    found = json.loads((folder / "run" / "summary.json").read_text())
    return {"seconds": found["train_seconds"], **found["final"]}


def spark(train: Columns, test: Columns, threads: int) -> Run:
    """Spark MLlib's ALS on the explicit case; data cached."""
    from pyspark.ml.recommendation import ALS
    from pyspark.sql import SparkSession

    session = SparkSession.builder.master(f"local[{threads}]").config("spark.driver.memory", "4g").getOrCreate()
    frames = [
        session.createDataFrame(list(zip(*(d[n].tolist() for n in d), strict=True)), list(d)).cache()
        for d in (train, test)
    ]
    for frame in frames:
        frame.count()
    als = ALS(rank=RANK, maxIter=ITERATIONS, regParam=0.05, userCol="user", itemCol="item", ratingCol="rating")

    def run() -> dict[str, Any]:
        start = perf_counter()
        model = als.fit(frames[0])
        model.itemFactors.count()
        spent = perf_counter() - start
        rows = model.transform(frames[1]).selectExpr("avg(pow(prediction - rating, 2))").collect()
        return {"seconds": spent, "test": {"rmse": float(rows[0][0]) ** 0.5}}

    return run


def implicit(solver: str, train: Columns, threads: int) -> Run:
    """The implicit package's ALS: its confidence is the value itself, hence 1 + alpha r."""
    from implicit.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix

    values = (1 + 2.0 * train["rating"]).astype(np.float32)
    matrix = csr_matrix((values, (train["user"], train["item"])), shape=(USERS, ITEMS))
    rest = {"iterations": ITERATIONS, "use_gpu": False, "use_cg": solver == "cg", "num_threads": threads}

    def run() -> dict[str, Any]:
        model = AlternatingLeastSquares(RANK, 0.1, 1.0, random_state=0, **rest)
        start = perf_counter()
        model.fit(matrix, show_progress=False)
        spent = perf_counter() - start
        p, q = model.user_factors.astype(np.float64), model.item_factors.astype(np.float64)
        score = (p[train["user"]] * q[train["item"]]).sum(1)
        loss = np.sum((p @ (q.T @ q)) * p) + np.sum(values * (1 - score) ** 2 - score**2)
        return {"seconds": spent, "train_loss": loss / (USERS * ITEMS)}

    return run


def libmf(train: Columns, test: Columns, threads: int, eta: float, penalty: float) -> Run:
    """LIBMF through its Python package `libmf`; it has no biases.

    Its `predict` reads what lies in memory as all users, then all items, hence the transposed array.
    """
    from libmf import mf

    rows = np.column_stack([train["user"], train["item"], train["rating"]])
    rest = {"nr_threads": threads, "lambda_p1": 0.0, "lambda_q1": 0.0, "quiet": True}

    def fit(iterations: int) -> tuple[Any, float]:
        engine = mf.MF(k=RANK, nr_iters=iterations, eta=eta, lambda_p2=penalty, lambda_q2=penalty, **rest)
        start = perf_counter()
        engine.fit(rows)
        return engine, perf_counter() - start

    def run() -> dict[str, Any]:
        spent = fit(ITERATIONS + 1)[1] - fit(1)[1]
        guess = fit(ITERATIONS)[0].predict(np.stack([test["user"], test["item"]]).T)
        return {"seconds": spent, "test": {"rmse": float(np.sqrt(np.mean((guess - test["rating"]) ** 2)))}}

    return run


def tune(train: Columns, launch: list[str]) -> dict[str, tuple[float, float]]:
    """Return the best of `GRID` for ours and for libmf, by a tenth of the training ratings."""
    fit, valid = part(train, 2)
    found: dict[str, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        save(Path(name), fit, valid)
        for by in ("hpcfl", "libmf"):
            scores = {}
            for rate, penalty in GRID:
                model = {"name": "sgd_mf", "learning_rate": rate, "regularization": penalty}
                try:
                    run = (
                        own(model, Path(name), launch, 1, MORE["sgd"])
                        if by == "hpcfl"
                        else libmf(fit, valid, 1, rate, penalty)()
                    )
                except subprocess.CalledProcessError:  # it diverged
                    continue
                scores[rate, penalty] = run["test"]["rmse"]
            found[by] = min(scores, key=scores.__getitem__)
            print(json.dumps({"tuned": by, "best": found[by], "rmse": scores[found[by]]}), flush=True)
    return found


def part(rows: Columns, seed: int) -> tuple[Columns, Columns]:
    """Split off a random tenth."""
    held = np.random.default_rng(seed).random(len(rows["user"])) < 0.1
    return {n: v[~held] for n, v in rows.items()}, {n: v[held] for n, v in rows.items()}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--case", choices=CASES, action="append", help="default: all")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--launcher", default="mpirun", help="launcher and its options")
    parser.add_argument("--tune", action="store_true", help="only search GRID for the case sgd")
    args = parser.parse_args()
    launch = args.launcher.split()
    train, test = part(ratings(args.rows), 1)
    machine()
    if args.tune:
        tune(train, launch)
        return
    peers: dict[str, tuple[str, Callable[[], Run]]] = {
        "explicit": ("pyspark", lambda: spark(train, test, args.ranks)),
        "implicit cholesky": ("implicit", lambda: implicit("cholesky", train, args.ranks)),
        "implicit cg": ("implicit", lambda: implicit("cg", train, args.ranks)),
        "sgd": ("libmf", lambda: libmf(train, test, args.ranks, *LIBMF)),
    }
    with tempfile.TemporaryDirectory() as name:
        save(Path(name), train, test)
        for case in args.case or CASES:
            package, make = peers.get(case, ("", None))
            there = bool(package) and importlib.util.find_spec(package) is not None
            runs = {
                "hpcfl": lambda case=case: own(CASES[case], Path(name), launch, args.ranks, MORE.get(case, ITERATIONS))
            }
            if make and there:
                runs[package] = make()
            emit(report(case, in_turn(runs, args.rounds), package))
    plot(args.plot)


def report(case: str, results: dict[str, list[dict[str, Any]]], package: str) -> dict[str, Any]:
    """Return the line of a case: medians, all times, last metrics, ratio."""
    line: dict[str, Any] = {"case": case}
    spent = {by: [run.pop("seconds") for run in runs] for by, runs in results.items()}
    for by, runs in results.items():
        line[by] = {"seconds": median(spent[by]), "all": [round(s, 3) for s in spent[by]], **runs[-1]}
    if package in spent:
        line |= {"peer": package} | ratio(spent[package], spent["hpcfl"])
    elif package:
        line["missing"] = f"pip install {package}"
    return line


if __name__ == "__main__":
    main()
