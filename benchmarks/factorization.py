"""Time of a factorization of MovieLens-1M's shape, beside Spark, implicit and libmf.

python benchmarks/factorization.py [--case explicit] [--ranks 2] [--rounds 3] [--launcher mpirun]

Synthetic ratings, 6,040 users x 3,706 items, a tenth of 1,000,000 held out, rank 32, 10 iterations.
In each round ours and then the case's peer run, with as many threads as there are ranks, on the same
ratings. Writes a JSON line a case: medians, all times, and the ratio of the medians. A peer that is
not installed is said. Times are of training alone. Spark's first fit, which its compiler spends,
is not counted; libmf sorts its ratings while it trains, so that its time is that of 11 iterations
less that of 1. Ours and libmf's learning rate and penalty are the best of those in `GRID`, on a
tenth of the training ratings (`--tune` shows it); the test ratings are not looked at.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

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
    "sgd": {"name": "sgd_mf"},
    "svd++": {"name": "sgd_mf", "feedback": True},
    "federated": {"name": "federated_mf"},
}
GRID = [(rate, penalty) for rate in (0.02, 0.05, 0.1, 0.2) for penalty in (0.01, 0.03, 0.05, 0.1)]


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


def own(folder: Path, launch: list[str], ranks: int) -> Iterator[dict[str, Any]]:
    """Train every case twice, the first time to compile; give the second's times."""
    for case, model in CASES.items():
        job = {
            "data": {"train": str(folder / "train.h5"), "test": str(folder / "test.h5")},
            "model": {"rank": RANK, **model},
            "train": {"mode": "factorization", "iterations": ITERATIONS},
            "evaluate": {"every": ITERATIONS},
            "output": str(folder / "run"),
        }
        code = "import json, sys; from hpcfl import config; from hpcfl.comm.communicator import world\n"
        code += "from hpcfl.trainers.run import records\n"
        code += "for _ in range(2):\n    list(records(config.load(json.loads(sys.argv[1])), world(), True))"
        subprocess.run([*launch, "-n", str(ranks), sys.executable, "-c", code, json.dumps(job)], check=True)
        found = json.loads((folder / "run" / "summary.json").read_text())
        yield {"case": case, "by": "hpcfl", "seconds": found["train_seconds"], **found["final"]}


def spark(train: dict[str, np.ndarray], test: dict[str, np.ndarray], threads: int) -> dict[str, Any]:
    """Spark MLlib's ALS on the explicit case; the data is cached and counted first."""
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
    start = perf_counter()
    model = als.fit(frames[0])
    model.itemFactors.count()
    spent = perf_counter() - start
    rows = model.transform(frames[1]).selectExpr("avg(pow(prediction - rating, 2))").collect()
    session.stop()
    return {"case": "explicit", "by": "spark", "seconds": spent, "test": {"rmse": float(rows[0][0]) ** 0.5}}


def implicit(solver: str, train: dict[str, np.ndarray], threads: int) -> dict[str, Any]:
    """The implicit package's ALS: its confidence is the value itself, hence 1 + alpha r."""
    from implicit.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix

    values = (1 + 2.0 * train["rating"]).astype(np.float32)
    matrix = csr_matrix((values, (train["user"], train["item"])), shape=(USERS, ITEMS))
    model = AlternatingLeastSquares(
        RANK, 0.1, 1.0, iterations=ITERATIONS, use_gpu=False, use_cg=solver == "cg", num_threads=threads, random_state=0
    )
    start = perf_counter()
    model.fit(matrix, show_progress=False)
    spent = perf_counter() - start
    p, q = model.user_factors.astype(np.float64), model.item_factors.astype(np.float64)
    score = (p[train["user"]] * q[train["item"]]).sum(1)
    loss = np.sum((p @ (q.T @ q)) * p) + np.sum(values * (1 - score) ** 2 - score**2)
    return {"case": f"implicit {solver}", "by": "implicit", "seconds": spent, "train_loss": loss / (USERS * ITEMS)}


def libmf(train: dict[str, np.ndarray], test: dict[str, np.ndarray], threads: int) -> dict[str, Any]:
    """LIBMF through its Python package `libmf`; it has no biases."""
    from libmf import mf

    rows = np.column_stack([train["user"], train["item"], train["rating"]])
    engine = mf.MF(k=RANK, nr_iters=ITERATIONS, nr_threads=threads, eta=0.1, lambda_p2=0.03, lambda_q2=0.03)
    start = perf_counter()
    engine.fit(rows)
    spent = perf_counter() - start
    guess = engine.predict(np.column_stack([test["user"], test["item"]]))
    rmse = float(np.sqrt(np.mean((guess - test["rating"]) ** 2)))
    return {"case": "sgd", "by": "libmf", "seconds": spent, "test": {"rmse": rmse}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--launcher", default="mpirun", help="launcher and its options")
    args = parser.parse_args()
    from hpcfl.data.h5 import write_atomic

    every = ratings(args.rows)
    held = np.random.default_rng(1).random(len(every["user"])) < 0.1
    train, test = ({n: v[w] for n, v in every.items()} for w in (~held, held))
    peers: list[tuple[str, Callable[[], dict[str, Any]]]] = [
        ("pyspark", lambda: spark(train, test, args.ranks)),
        ("implicit", lambda: implicit("cholesky", train, args.ranks)),
        ("implicit", lambda: implicit("cg", train, args.ranks)),
        ("libmf", lambda: libmf(train, test, args.ranks)),
    ]
    with tempfile.TemporaryDirectory() as name:
        for part, rows in (("train", train), ("test", test)):
            path = Path(name) / f"{part}.h5"
            write_atomic(path, rows, {"format": "hpcfl", "version": 1, "task": "ratings"})
        for line in own(Path(name), args.launcher.split(), args.ranks):
            print(json.dumps(line), flush=True)
    for package, peer in peers:
        there = importlib.util.find_spec(package) is not None
        print(json.dumps(peer() if there else {"by": package, "skipped": "not installed"}), flush=True)


if __name__ == "__main__":
    main()
