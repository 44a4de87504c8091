"""A step of synchronous SGD allocates no array, and nothing that stays."""

import numpy as np
import pytest

from hpcfl.data import h5

RUN = """
import gc
import tracemalloc
from dataclasses import replace
from functools import partial
from hpcfl import config
from hpcfl.comm.communicator import world
from hpcfl.data import shard
from hpcfl.trainers.objective import bind
from hpcfl.trainers.order import ordered
from hpcfl.trainers.summing import cut, stepping, sums
comm, job = world(), config.load(JOB)
shards = shard.load(job.data, job.seed, job.model.dtype, comm, partial(cut, job, comm.size))
objective = bind(job, shards, comm)
order = ordered(job, shards, comm)
shards = replace(shards, train=order.train)
gradient = sums(job, objective, shards, comm)
stepper = stepping(job, objective, shards, order.steps, gradient, comm)
assert (gradient.total.size == 4) == (KIND == "columns")
order.begin(0)
def step(i):
    gradient.add(stepper.w, order.batch(i))
    stepper.step(gradient.total, gradient.error)
for i in range(10):
    step(i)
if KIND in ("columns", "reproducible"):  # Python's pools, of 100 floats and 2,000 tuples, are to be full
    gc.disable()  # a collection empties them
    for _ in range(2000):
        step(9)
tracemalloc.start()
step(10)
before = tracemalloc.get_traced_memory()[0]
tracemalloc.reset_peak()
for i in range(11, order.steps):
    step(i)
after, peak = tracemalloc.get_traced_memory()
order.close()
print(f"\\n{after - before} {peak - before} {stepper.w.nbytes}\\n", end="")
"""


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("kind", ["plain", "reproducible", "blocks", "columns"])
def test_no_array_and_nothing_that_stays(mpirun, tmp_path, ranks, kind):
    x = np.random.default_rng(0).random((12800, 60), np.float32)
    arrays = {"x": x, "y": (x[:, 0] > 0.5).astype(int)}
    if kind == "columns":
        indices = np.random.default_rng(1).integers(0, 40_000, 12800 * 20).astype(np.int32)
        rows = {"x/data": x[:, :20].ravel(), "x/indices": indices, "x/indptr": np.arange(0, indices.size + 1, 20)}
        arrays = {"y": arrays["y"], **rows}
    h5.write_atomic(
        tmp_path / "a.h5", arrays, {"format": "hpcfl"} | ({"features": 40_000} if kind == "columns" else {})
    )
    job = {
        "reproducible": kind == "reproducible",
        "data": {"train": str(tmp_path / "a.h5"), "test": "none", "order": "blocks" if kind == "blocks" else "rows"},
        "model": {"name": "mlp", "hidden": [100]},
        "optimizer": {"name": "sgd", "momentum": 0.9, "clip_norm": 10.0},
        "train": {"batch_size": 128},
    }
    if kind == "columns":
        job |= {"model": {"name": "logistic"}, "optimizer": {"name": "adagrad"}}
    out = mpirun(ranks, f"JOB, KIND = {job!r}, {kind!r}\n{RUN}").stdout
    found = [[int(word) for word in line.split()] for line in out.splitlines() if line.strip()]
    assert len(found) == ranks
    for stays, most, vector in found:
        assert vector > 24_000  # an array of the parameters would show
        assert stays < 2_000
        assert most < 8_000
