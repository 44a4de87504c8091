"""Principle 1: the number of ranks never changes the result."""

import numpy as np
import pytest

from hpcfl.data import h5
from tests.trainers import data

PROGRAM = """
import sys; sys.path.insert(0, {root!r})
from pathlib import Path
from mpi4py import MPI
import hpcfl
from tests.trainers import data
folder, n = Path({folder!r}), MPI.COMM_WORLD.size
for case in data.CASES:
    for dtype in ("float32", "float64"):
        keys = dict(model__dtype=dtype)
        hpcfl.train(data.job(folder, case, f"step-{{case}}-{{dtype}}-{{n}}", train__batch_size="full", train__epochs=1, **keys))
        hpcfl.train(data.job(folder, case, f"three-{{case}}-{{dtype}}-{{n}}", **keys))
    hpcfl.train(data.job(folder, case, f"same-{{case}}-{{n}}", reproducible=True, train__epochs=5))
    hpcfl.train(data.job(folder, case, f"clip-{{case}}-{{n}}", reproducible=True, optimizer__clip_norm=0.5, optimizer__name="sgd"))
    few = dict(train__batch_size=32, train__groups=4, data__standardize=False, optimizer__learning_rate=0.01)
    hpcfl.train(data.job(folder, case, f"few-{{case}}-{{n}}", reproducible=True, **few))
"""


@pytest.fixture(scope="module")
def runs(mpirun, tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("ranks")
    data.make(folder)
    for n in (1, 2, 3, 4):
        mpirun(n, PROGRAM.format(root=str(request.config.rootpath), folder=str(folder)), timeout=240)
    return folder


def model(folder, name):
    return h5.read(folder / name / "model.h5")[0]


def distance(a, b):
    return np.linalg.norm(a.astype(np.float64) - b) / np.linalg.norm(b.astype(np.float64))


@pytest.mark.parametrize("case", data.CASES)
@pytest.mark.parametrize("n", [2, 3, 4])
def test_one_step_agrees(runs, case, n):
    for dtype, tolerance in (("float32", 1e-6), ("float64", 1e-14)):
        one, many = (model(runs, f"step-{case}-{dtype}-{k}")["w"] for k in (1, n))
        assert np.linalg.norm(one) > 0.01
        assert distance(many, one) <= tolerance


@pytest.mark.parametrize("case", [c for c in data.CASES if "mlp" not in c])
@pytest.mark.parametrize("n", [2, 3, 4])
def test_three_epochs_of_convex_models_agree(runs, case, n):
    for dtype, tolerance in (("float32", 1e-5), ("float64", 1e-12)):
        one, many = (model(runs, f"three-{case}-{dtype}-{k}")["w"] for k in (1, n))
        assert distance(many, one) <= tolerance


@pytest.mark.parametrize("case", data.CASES)
@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("kind", ["same", "clip", "few"])
def test_reproducible_gives_the_same_bits(runs, case, n, kind):
    one, many = (model(runs, f"{kind}-{case}-{k}") for k in (1, n))
    assert np.linalg.norm(one["w"]) > 0.1
    for name, array in one.items():
        assert array.tobytes() == many[name].tobytes(), name


def test_metrics_do_not_depend_on_ranks(runs):
    import json

    found = [json.loads((runs / f"same-softmax-{n}" / "summary.json").read_text())["final"] for n in (1, 2, 3, 4)]
    assert found[0]["test"]["accuracy"] > 0.5
    assert all(f == found[0] for f in found)
