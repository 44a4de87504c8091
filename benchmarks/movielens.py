"""RMSE on MovieLens-100K, split u1: biased models against the .945 that GRALS reports.

python benchmarks/movielens.py [FOLDER] [--ranks 2]

FOLDER holds u1.base and u1.test, as ml-100k.zip from grouplens.org has them. Without it the ratings are taken
out of a package on PyPI that carries them (recbole 1.2.1), and cut as MovieLens' own mku.sh cuts: of the ratings
in the order of u.data, the first 20,000 are u1.test. Settings are those of jobs/factorization.toml with 20
iterations; the penalty is the one with the least RMSE on a held-out tenth of u1.base. u1.test is seen once a model.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

from launch import python, train
from pairs import emit, machine

PACKAGE, MEMBER = "recbole==1.2.1", "recbole/dataset_example/ml-100k/ml-100k.inter"
TEST_ROWS = 20_000
TARGET = 0.945  # Rao, Yu, Ravikumar, Dhillon: Collaborative filtering with graph information (GRALS), NeurIPS 2015
PENALTIES = (0.03, 0.05, 0.1, 0.15, 0.2)
MODELS: dict[str, dict[str, Any]] = {
    "ALS with biases": {"name": "als"},
    "SGD with biases": {"name": "sgd_mf"},
    "SVD++": {"name": "sgd_mf", "feedback": True},
}
JOB = Path(__file__).parent.parent / "jobs" / "factorization.toml"


def main() -> None:
    """Convert the split, choose each model's penalty, train it and print a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="where u1.base and u1.test are")
    parser.add_argument("--ranks", type=int, default=2)
    options = parser.parse_args()
    machine()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        source = options.folder or fetched(work)
        base, test = (converted(source / f"u1.{part}", work) for part in ("base", "test"))
        for case, model in MODELS.items():
            held = {p: rmse(model, p, base, 0.1, options.ranks) for p in PENALTIES}
            best = min(held, key=lambda p: held[p])
            line = {"case": case, "penalty": best, "held-out rmse": held[best]}
            emit(line | {"test rmse": rmse(model, best, base, test, options.ranks), "target": TARGET})


def fetched(work: Path) -> Path:
    """Write u1.base and u1.test from the package's copy of u.data."""
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", work, PACKAGE], check=True)
    with zipfile.ZipFile(next(work.glob("recbole*.whl"))) as wheel:
        lines = wheel.read(MEMBER).decode().splitlines()[1:]
    ratings = [tuple(int(float(word)) for word in line.split("\t")) for line in lines]
    for part, rows in (("test", ratings[:TEST_ROWS]), ("base", ratings[TEST_ROWS:])):
        (work / f"u1.{part}").write_text("".join("\t".join(map(str, row)) + "\n" for row in sorted(rows)))
    return work


def converted(source: Path, work: Path) -> str:
    """Return the HDF5 file of a MovieLens text."""
    out = str(work / f"{source.name}.h5")
    python([], ["-m", "hpcfl", "convert", str(source), out, "--task", "ratings"])
    return out


def rmse(model: dict[str, Any], penalty: float, base: str, test: str | float, ranks: int) -> float:
    """Train on `base`, and return the RMSE on `test`, a file or a share of `base`."""
    job = tomllib.loads(JOB.read_text())
    job |= {"data": {"train": base, "test": test}, "train": job["train"] | {"iterations": 20}}
    job["model"] |= model | {"regularization": penalty}
    return float(train(job, ranks)["final"]["test"]["rmse"])


if __name__ == "__main__":
    main()
