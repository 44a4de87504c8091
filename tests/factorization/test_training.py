"""Whole runs: they learn, the ranks do not matter, and what federated ranks send is counted."""

import json

import numpy as np
import pytest

from hpcfl.comm.communicator import world
from hpcfl.data import h5, samples
from hpcfl.factorization.ratings import load
from hpcfl.sections.data import Data

RUN = """
import sys, json
from hpcfl import config
from hpcfl.comm.communicator import world
from hpcfl.trainers.run import records
jobs = json.loads(sys.argv[1]) if len(sys.argv) > 1 else JOBS
for job in jobs:
    for record in records(config.load(job), world(), True):
        pass
"""

METHODS = {
    "als": {"name": "als"},
    "double": {"name": "als", "biases": False, "scale_by_count": False, "regularization": 3.0, "dtype": "float64"},
    "implicit": {"name": "als", "implicit": True, "alpha": 0.3, "regularization": 0.3},
    "cg": {"name": "als", "implicit": True, "alpha": 0.3, "regularization": 0.3, "solver": "cg"},
    "sgd": {"name": "sgd_mf", "learning_rate": 0.1, "blocks": 3},
    "feedback": {"name": "sgd_mf", "learning_rate": 0.1, "blocks": 3, "feedback": True},
    "federated": {"name": "federated_mf"},
}


def jobs(folder, methods=METHODS, iterations=6, **data):
    return [
        {
            "output": str(folder / name),
            "data": {"train": "sample:ratings", "test": 0.1, **data},
            "model": {"rank": 6, **model},
            "train": {"mode": "factorization", "iterations": iterations},
        }
        for name, model in methods.items()
    ]


def summary(folder, name):
    return json.loads((folder / name / "summary.json").read_text())


@pytest.fixture(scope="module")
def runs(mpirun, tmp_path_factory):
    """Each method on 1, 2 and 4 ranks."""
    out = {}
    for n in (1, 2, 4):
        out[n] = tmp_path_factory.mktemp(f"ranks{n}")
        mpirun(n, f"JOBS = {jobs(out[n])!r}\n{RUN}", timeout=240)
    return out


@pytest.mark.parametrize("name", METHODS)
def test_same_bits_on_any_number_of_ranks(runs, name):
    one, _ = h5.read(runs[1] / name / "model.h5")
    assert np.abs(one["items"]).max() > 0.1
    for n in (2, 4):
        other, _ = h5.read(runs[n] / name / "model.h5")
        assert set(one) == set(other)
        assert all((one[key] == other[key]).all() for key in one)
        assert summary(runs[n], name)["final"] == summary(runs[1], name)["final"]


@pytest.fixture(scope="module")
def ratings():
    return load(Data(train="sample:ratings", test=0.1), 0, False, 8, False, world())


def test_explicit_methods_beat_biases_alone(runs, ratings):
    """Factors must explain more than user and item biases, and no more than the noise of 0.6 leaves."""
    user = np.repeat(np.arange(500), np.diff(ratings.by_user.indptr))
    item, rest = ratings.by_user.indices, ratings.by_user.rating - ratings.mean
    of_user, of_item = np.zeros(500), np.zeros(300)
    for _ in range(30):
        of_user = np.bincount(user, rest - of_item[item], 500) / (ratings.counts[0] + 1)
        of_item = np.bincount(item, rest - of_user[user], 300) / (ratings.counts[1] + 1)
    test = ratings.test
    error = test.rating - ratings.mean - of_user[test.user] - of_item[test.item]
    biases = np.sqrt(np.mean(error**2))
    for name in ("als", "double", "federated", "sgd", "feedback"):
        assert 0.6 < summary(runs[1], name)["final"]["test"]["rmse"] < 0.97 * biases


def test_training_loss_is_that_of_the_saved_factors(runs):
    model, attrs = h5.read(runs[2] / "als" / "model.h5")
    data, _ = h5.read(samples.path("ratings"))
    user, item = data["user"], data["item"]
    score = attrs["mean"] + model["users"][user, -1] + model["items"][item, -1]
    score = score + (model["users"][user, :-1] * model["items"][item, :-1]).sum(1)
    final, rows = summary(runs[2], "als"), len(user)
    squares = final["final"]["train_loss"] * final["rows"] + final["final"]["test"]["rmse"] ** 2 * final["test_rows"]
    assert final["rows"] + final["test_rows"] == rows
    assert ((score - data["rating"]) ** 2).sum() == pytest.approx(squares, rel=1e-4)


def test_federated_ranks_send_sums_over_items_and_no_user(runs):
    """Every message's purpose is known, and its size is of items or of fixed statistics."""
    for n in (2, 4):
        found = summary(runs[n], "federated")["messages"]
        shape = h5.read(runs[n] / "federated" / "model.h5")[0]["items"].shape
        assert found["item gradients"] == {"count": 6 * n, "bytes": 6 * n * 8 * shape[0] * shape[1]}
        assert "users" not in found
        # Besides: counts of ratings, sums of errors by block, items' factors for checkpoint, evaluation and model.
        assert set(found) <= {
            *("item gradients", "factors", "evaluate", "metrics", "mean", "counts", "rows", "stop", "max"),
            *("lengths", "checkpoint", "watchdog", "exscan"),
        }
        assert found["factors"]["bytes"] == 8 * shape[0] * shape[1] * 4
        assert "users" not in h5.read(runs[n] / "federated" / "model.h5")[0]


def test_resumed_run_ends_in_the_same_bits(mpirun, tmp_path):
    table = {name: METHODS[name] for name in ("als", "cg", "feedback", "federated")}
    whole = jobs(tmp_path / "whole", table, 4)
    first = [
        job | {"train": job["train"] | {"iterations": 4}, "checkpoint": {"every_rounds": 2, "keep": 9}}
        for job in jobs(tmp_path / "cut", table)
    ]
    stop = """
for job in FIRST:
    generator = records(config.load(job), world(), True)
    for _ in range(3):
        next(generator)
    generator.close()
    for record in records(config.load(job), world(), resume="must"):
        pass
"""
    mpirun(2, f"JOBS = {whole!r}\nFIRST = {first!r}\n{RUN}{stop}", timeout=120)
    for name in table:
        a, b = (h5.read(tmp_path / part / name / "model.h5")[0] for part in ("whole", "cut"))
        assert all((a[key] == b[key]).all() for key in a)
