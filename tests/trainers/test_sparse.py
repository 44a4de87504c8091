"""Steps at the columns of a batch: equal to dense ones, on any ranks, resumed, without a vector of all parameters."""

import json

import numpy as np
import pytest

from hpcfl.data import h5
from hpcfl.kernels import columns as kernels
from hpcfl.kernels.columns import Gradient

FEATURES = 20_000
CASES = {
    "logistic-sgd": ({"name": "logistic"}, {"name": "sgd", "learning_rate": 0.5}),
    "svm-adagrad": ({"name": "svm"}, {"name": "adagrad", "learning_rate": 0.1}),
    "softmax-sgd": ({"name": "softmax"}, {"name": "sgd", "learning_rate": 0.5}),
    "softmax-adagrad": ({"name": "softmax", "dtype": "float64"}, {"name": "adagrad", "learning_rate": 0.1}),
}
PROGRAM = """
from mpi4py import MPI
import hpcfl
from hpcfl.trainers import sparse, summing
comm, make = MPI.COMM_WORLD, sparse.SparseSums  # each run counts its own messages
def run(kind, job, **keys):
    summing.fits = sparse.fits if kind != "dense" else lambda *given: False
    summing.SparseSums = make if kind != "far" else Far
    hpcfl.train({{**job, **keys, "output": f"{folder}/{{kind}}-{{job['output']}}-{{comm.size}}"}}, comm)
class Far(make):
    def __init__(self, local, comm):
        super().__init__(local, comm, near=False)
for job in {jobs!r}:
    for kind in ("dense", "near", "far"):
        run(kind, job)
"""


def write(path, classes, n=703):
    """Write CSR rows of 0 to 11 values, columns of which a few are frequent, some twice in a row."""
    rng = np.random.default_rng(classes)
    indptr = np.concatenate([[0], rng.integers(0, 12, n).cumsum()])
    indices = (FEATURES * rng.random(indptr[-1]) ** 4).astype(np.int32)
    data = rng.standard_normal(indices.size).astype(np.float32)
    arrays = {"x/data": data, "x/indices": indices, "x/indptr": indptr, "y": rng.integers(0, classes, n)}
    attrs = {"format": "hpcfl", "version": 1, "task": "classification", "features": FEATURES}
    h5.write_atomic(path, arrays | {"weight": rng.uniform(0.5, 2, n)}, attrs)


def jobs(folder, order="rows"):
    for name, (model, optimizer) in CASES.items():
        data = {"train": str(folder / ("many.h5" if "softmax" in name else "two.h5")), "test": 0.2, "order": order}
        train = {"epochs": 2, "batch_size": 64}
        yield {"output": f"{name}-{order}", "data": data, "model": model, "optimizer": optimizer, "train": train}


@pytest.fixture(scope="module")
def runs(mpirun, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sparse")
    write(folder / "two.h5", 2)
    write(folder / "many.h5", 4)
    every = [*jobs(folder), *jobs(folder, "blocks")]
    for n in (1, 2, 3):
        mpirun(n, PROGRAM.format(folder=folder, jobs=every), timeout=240)
    return folder


def model(folder):
    return h5.read(folder / "model.h5")[0]["w"]


def sent(folder):
    return json.loads((folder / "summary.json").read_text())["messages"]["gradient"]["bytes"]


@pytest.mark.parametrize("order", ["rows", "blocks"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("kind", ["near", "far"])
def test_equals_the_dense_way(runs, case, order, n, kind):
    one, dense, ours = (model(runs / f"{k}-{case}-{order}-{m}") for k, m in (("dense", 1), ("dense", n), (kind, n)))
    assert 0.01 < (dense != 0).mean() < 0.3
    tolerance = 1e-5 if dense.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(ours, dense, rtol=tolerance, atol=tolerance * np.abs(dense).max())
    np.testing.assert_allclose(ours, one, rtol=10 * tolerance, atol=10 * tolerance * np.abs(dense).max())


@pytest.mark.parametrize("kind", ["near", "far"])
def test_a_message_is_as_long_as_the_batch_has_columns(runs, kind):
    steps, rows, values = 18, 64, 12
    assert sent(runs / "dense-logistic-sgd-rows-2") > 2 * steps * FEATURES * 4
    assert 0 < sent(runs / f"{kind}-logistic-sgd-rows-2") < steps * (rows * values * 8 + 100 * 2)


def test_columns_are_sorted_unique_and_added_in_the_order_of_ranks():
    rng = np.random.default_rng(0)
    columns = [np.unique(rng.integers(0, 5000, m)).astype(np.int32) for m in (0, 300, 1, 700)]
    values = [rng.standard_normal((c.size, 3)) for c in columns]
    dense = np.zeros((5000, 3))
    for c, v in zip(columns, values, strict=True):
        dense[c] += v
    every = Gradient(np.concatenate(columns), np.concatenate(values).reshape(-1))
    counts = np.array([c.size for c in columns])
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        found, starts = [], np.cumsum(counts) - counts
        for part in range(4):
            out, held = Gradient(np.zeros(5000, np.int32), np.zeros(15000)), kernels.empty(5000)
            n = kernels.merge(every, starts[order], counts[order], part, 4, held, out)
            assert not any(array[: held.groups.size].any() for array in held[:2])
            found += list(zip(out.columns[:n].tolist(), out.values[: 3 * n].reshape(n, 3).tolist(), strict=True))
        assert [c for c, _ in found] == np.unique(every.columns).tolist()
        np.testing.assert_allclose([v for _, v in found], dense[np.unique(every.columns)], rtol=1e-12)


RESUME = """
import hpcfl
from hpcfl.trainers import keeper
from hpcfl.errors import Stopped
job = {job!r}
asks = keeper.Keeper.asks
def stop(self, steps=0, rounds=0):
    asks(self, steps, rounds)
    self.stop.reason = "a test"
    self.wish = keeper.STOP if steps == 12 else keeper.NOTHING
    return self.wish != keeper.NOTHING
keeper.Keeper.asks = stop
try:
    hpcfl.train(job)
except Stopped:
    keeper.Keeper.asks = asks
    hpcfl.train(job, resume="must")
"""


@pytest.mark.parametrize("case", ["logistic-sgd", "softmax-adagrad"])
def test_resumes_to_the_bits_of_a_run_that_was_not_stopped(runs, mpirun, tmp_path, case):
    job = next(j for j in jobs(runs) if j["output"] == f"{case}-rows") | {"output": str(tmp_path / "run")}
    out = mpirun(2, RESUME.format(job=job))
    assert "Traceback" not in out.stderr
    assert model(tmp_path / "run").tobytes() == model(runs / f"near-{case}-rows-2").tobytes()
