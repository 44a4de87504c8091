"""Many steps in one call make what single steps make: parameters, log and checkpoints, bit for bit."""

import json

import numpy as np
import pytest

from hpcfl.data import h5
from tests.trainers import data

PROGRAM = """
import sys; sys.path.insert(0, {root!r})
from pathlib import Path
import numpy as np
import hpcfl
from hpcfl.trainers import strides, synchronous
from tests.trainers import data
made = [0]
def counting(self, step, n, stop, make=strides.Strides.make):
    made[0] += n
    make(self, step, n, stop)
strides.Strides.make = counting
several, alone = synchronous.strides, lambda *given: None
for case in {cases}:
    for optimizer in {optimizers}:
        keys = dict(train__batch_size={batch}, train__epochs=3, optimizer=optimizer | {{"schedule": "cosine"}})
        name = f"{{case}}-{{optimizer['name']}}"
        made[0], synchronous.strides = 0, several
        hpcfl.train(data.job(Path({folder!r}), case, f"many-{{name}}", **keys))
        assert made[0] > 30, (case, made)
        made[0], synchronous.strides = 0, alone
        hpcfl.train(data.job(Path({folder!r}), case, f"one-{{name}}", **keys))
        assert made[0] == 0
"""
OPTIMIZERS = [
    {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9, "warmup_steps": 5},
    {"name": "adam", "learning_rate": 0.01},
]
CLOCKS = ("seconds", "samples_per_second")


def log(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in CLOCKS} for line in lines]


@pytest.mark.parametrize(("ranks", "batch"), [(1, 32), (2, 32), (3, 24), (4, 16)])
def test_equal_single_steps(mpirun, tmp_path, request, ranks, batch):
    data.make(tmp_path)
    given = {"root": str(request.config.rootpath), "folder": str(tmp_path), "batch": batch}
    cases = list(data.CASES) if ranks < 3 else ["softmax", "logistic-csr"]
    mpirun(ranks, PROGRAM.format(cases=cases, optimizers=OPTIMIZERS, **given), timeout=240)
    for case in cases:
        for optimizer in OPTIMIZERS:
            many, one = (tmp_path / f"{way}-{case}-{optimizer['name']}" for way in ("many", "one"))
            w, other = (h5.read(folder / "model.h5")[0]["w"] for folder in (many, one))
            assert np.linalg.norm(w) > 0.01
            assert (w == other).all()
            assert log(many) == log(one)
            assert (
                json.loads((many / "summary.json").read_text())["messages"]
                == (json.loads((one / "summary.json").read_text())["messages"])
            )


LATE = """
import sys; sys.path.insert(0, {root!r})
from pathlib import Path
import time
import hpcfl
from mpi4py import MPI
from hpcfl.trainers import strides
from tests.trainers import data
make = strides.Strides.make
def late(self, step, n, stop):
    if self.stepper.t % 3 == MPI.COMM_WORLD.rank:
        time.sleep(0.1)  # the others come back from the kernel, and wait in Python
    make(self, step, n, stop)
strides.Strides.make = late
keys = dict(train__batch_size=32, train__epochs=4, checkpoint={{"every_steps": 7}})
hpcfl.train(data.job(Path({folder!r}), "softmax", "late", **keys))
strides.Strides.make = make
hpcfl.train(data.job(Path({folder!r}), "softmax", "plain", **keys))
"""


def test_a_late_rank_changes_nothing(mpirun, tmp_path, request):
    data.make(tmp_path)
    mpirun(2, LATE.format(root=str(request.config.rootpath), folder=str(tmp_path)))
    late, plain = (h5.read(tmp_path / name / "model.h5")[0]["w"] for name in ("late", "plain"))
    assert (late == plain).all()


DIVERGED = """
import sys; sys.path.insert(0, {root!r})
from pathlib import Path
import hpcfl
from hpcfl.errors import DivergedError
from hpcfl.trainers import synchronous
from tests.trainers import data
said = []
for way in (synchronous.strides, lambda *given: None):
    synchronous.strides = way
    try:
        keys = dict(train__batch_size=32, train__epochs=60, optimizer={{"learning_rate": 3.0}})
        hpcfl.train(data.job(Path({folder!r}), "linear", "bad", **keys), overwrite=True)
    except DivergedError as error:
        said.append(str(error))
assert len(said) == 2 and said[0] == said[1], said
assert "at step" in said[0]
"""


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_loss_that_is_not_finite_ends_at_the_same_step(mpirun, tmp_path, request, ranks):
    data.make(tmp_path)
    mpirun(ranks, DIVERGED.format(root=str(request.config.rootpath), folder=str(tmp_path)))
