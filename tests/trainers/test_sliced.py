"""Ranks that move a slice each move all as ranks do that move all: bit for bit, with every optimizer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcfl.data import h5
from hpcfl.kernels import updates
from tests.trainers import data

PROGRAM = """
import sys; sys.path.insert(0, {root!r})
from pathlib import Path
from mpi4py import MPI
import hpcfl
from hpcfl.comm.communicator import Comm
from hpcfl.trainers import gradients, sliced, summing
from tests.trainers import data
made, step = [0], sliced.SlicedStepper.step
def counting(self, *given):
    made[0] += 1
    step(self, *given)
sliced.SlicedStepper.step = counting
if {node}:  # as if nodes had so many ranks
    whole = gradients.summing.summer
    def cut(comm, *given, **keys):
        return whole(comm, *given, node=Comm(comm.mpi.Split(comm.rank // {node}, comm.rank)), **keys)
    gradients.summing.summer = cut
rule = summing.sliced
for k, optimizer in enumerate({optimizers}):
    for way, fits in (("slices", rule), ("whole", lambda *given: False)):
        made[0], summing.sliced = 0, fits
        name = f"{{way}}-{{k}}-{{MPI.COMM_WORLD.size}}"
        keys = dict(model__hidden=[200, 200], model__l2=0.0, train__batch_size=64, train__epochs=3, optimizer=optimizer)
        hpcfl.train(data.job(Path({folder!r}), "mlp", name, **keys, **{keys}))
        assert (made[0] > 20) == (way == "slices" and MPI.COMM_WORLD.size > 1), (name, made)
"""
OPTIMIZERS = [
    {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9, "nesterov": True},
    {"name": "sgd", "learning_rate": 0.05},
    {"name": "adam", "learning_rate": 0.01},
    {"name": "yogi", "learning_rate": 0.01},
    {"name": "adagrad", "learning_rate": 0.01},
]


def run(mpirun, request, folder, ranks, node=0, **keys):
    """Return the parameters that each optimizer found, which are the same with slices and without."""
    given = {"root": str(request.config.rootpath), "folder": str(folder), "optimizers": OPTIMIZERS}
    mpirun(ranks, PROGRAM.format(node=node, keys=keys, **given), timeout=240)
    found = []
    for k in range(len(OPTIMIZERS)):
        w, other = (h5.read(folder / f"{way}-{k}-{ranks}" / "model.h5")[0]["w"] for way in ("slices", "whole"))
        assert np.linalg.norm(w) > 1
        assert (w == other).all(), OPTIMIZERS[k]
        found.append(w)
    return found


@pytest.mark.parametrize(("ranks", "node"), [(2, 0), (3, 0), (4, 2)])
def test_equal_whole_steps(mpirun, tmp_path, request, ranks, node):
    data.make(tmp_path)
    run(mpirun, request, tmp_path, ranks, node)


def test_reproducible_bits_do_not_depend_on_the_ranks(mpirun, tmp_path, request):
    data.make(tmp_path)
    found = [run(mpirun, request, tmp_path, n, reproducible=True, train__groups=4) for n in (1, 2, 3)]
    assert all(np.array_equal(found[0], other) for other in found[1:])


GO_ON = """
import sys; sys.path.insert(0, {root!r})
import os, signal
from pathlib import Path
import hpcfl
from hpcfl.trainers import sliced
from tests.trainers import data
step = sliced.SlicedStepper.step
def until(self, *given):
    step(self, *given)
    if self.t == {last}:
        os.kill(os.getpid(), signal.SIGKILL)
sliced.SlicedStepper.step = until
keys = dict(model__hidden=[200, 200], model__l2=0.0, train__batch_size=64, train__epochs=3, reproducible=True)
keys |= dict(train__groups=4, optimizer={{"name": "adam"}}, checkpoint={{"every_steps": 7}})
hpcfl.train(data.job(Path({folder!r}), "mlp", {name!r}, **keys), resume={resume!r})
"""


def test_a_killed_run_goes_on_with_other_ranks(mpirun, tmp_path, request):
    data.make(tmp_path)
    given = {"root": str(request.config.rootpath), "folder": str(tmp_path)}
    mpirun(2, GO_ON.format(name="whole", resume="", last=-1, **given))
    assert mpirun(2, GO_ON.format(name="broken", resume="", last=16, **given), check=False).returncode != 0
    mpirun(3, GO_ON.format(name="broken", resume="must", last=-1, **given))
    whole, broken = (h5.read(tmp_path / name / "model.h5")[0]["w"] for name in ("whole", "broken"))
    assert (whole == broken).all()


@given(st.integers(0, 400), st.integers(0, 99))
def test_a_kernel_moves_a_slice_as_it_moves_all(cut, seed):
    rng = np.random.default_rng(seed)
    for kernel, hyper in (
        (updates.sgd, [0.9, seed % 2, 0.01]),
        (updates.adam, [0.9, 0.99, 1e-8, 0.1, 0.01, 1.0]),
        (updates.yogi, [0.9, 0.99, 1e-3]),
        (updates.adagrad, [1e-8]),
    ):
        w, grad, state = (rng.standard_normal(s).astype(np.float32) for s in (400, 400, (2, 400)))
        state = np.abs(state)
        parts = [(w[s].copy(), grad[s].copy(), state[:, s].copy()) for s in (slice(0, cut), slice(cut, 400))]
        for a, g, v in [*parts, (w, grad, state)]:
            kernel(a, g, 0.3, v, np.array(hyper, np.float64), 0.01, 3)
        assert (np.concatenate([a for a, _, _ in parts]) == w).all(), kernel
        assert (np.concatenate([v for _, _, v in parts], axis=1) == state).all(), kernel
    assert {updates.sgd, updates.adam, updates.yogi, updates.adagrad} == set(updates.ELEMENTWISE)
