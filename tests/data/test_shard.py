"""Shards: each rank reads its own rows only, and no split depends on the ranks."""

import h5py
import numpy as np
import pytest

from tests.trainers import data

PROGRAM = """
import numpy as np
from hpcfl.comm.communicator import world
from hpcfl.sections.data import Data
from hpcfl.data import plan, shard, table
comm = world()
read = []
original = table.Table.read
table.Table.read = lambda self, a, b: read.append((a, b)) or original(self, a, b)
s = shard.load(Data(train=({files}), test={test!r}, missing={missing!r}), 3, "float64", comm, {plan})
x = s.train.x if not hasattr(s.train.x, "indptr") else np.diff(s.train.x.indptr)[:, None]
first = lambda v: v[:, 0].astype(np.float64) if len(v) else np.empty(0)
out = {{"ids": s.train.ids, "tests": s.test.ids, "first": first(x), "label": s.train.y[:, 0].copy()}}
whole = {{name: comm.allgatherv(np.ascontiguousarray(v)) for name, v in out.items()}}
spans = comm.allgatherv(np.array([(a, b) for a, b in read]).reshape(-1))
if comm.rank == 0:
    np.savez({out!r} + f"-{{comm.size}}.npz", spans=spans, total=s.total, tested=s.test_total, **whole)
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((503, 4)), rng.choice(3, 503, p=[0.7, 0.2, 0.1])
    data.write(folder / "a.h5", x[:200], y[:200])
    data.write(folder / "b.h5", x[200:], y[200:])
    x[[5, 77, 350], 1] = np.nan
    data.write(folder / "holes.h5", x, y)
    held = rng.random(x.shape) < 0.5
    data.write_csr(folder / "sparse.h5", np.where(held, np.nan_to_num(x) + 1, 0), y)
    return folder


def load(mpirun, files, names, ranks, test=0.25, missing="error", plan="None"):
    listed = ", ".join(repr(str(files / n)) for n in names) + ","
    out = str(files / ("-".join(names) + (f"-{test}" if isinstance(test, float) else "-file")))
    for n in ranks:
        mpirun(n, PROGRAM.format(files=listed, test=test, missing=missing, plan=plan, out=out))
    return [np.load(f"{out}-{n}.npz") for n in ranks]


@pytest.mark.parametrize("names", [("a.h5", "b.h5"), ("sparse.h5",)])
def test_ranks_share_the_rows_and_none_changes_the_split(mpirun, files, names):
    one, *many = load(mpirun, files, names, (1, 2, 3, 4))
    assert sorted(np.concatenate([one["ids"], one["tests"]])) == list(range(503))
    for found in many:
        for name in ("ids", "tests", "first", "label", "total"):
            np.testing.assert_array_equal(found[name], one[name])


def test_each_row_is_read_once(mpirun, files):
    for found in load(mpirun, files, ("a.h5", "b.h5"), (1, 3)):
        spans = found["spans"].reshape(-1, 2)
        rows = np.concatenate([np.arange(a, b) for a, b in spans])
        assert sorted(rows) == list(range(503))


def test_the_split_is_stratified_and_exact(mpirun, files):
    (found,) = load(mpirun, files, ("a.h5", "b.h5"), (2,))
    with h5py.File(files / "a.h5") as a, h5py.File(files / "b.h5") as b:
        y = np.concatenate([a["y"][:], b["y"][:]])
    np.testing.assert_array_equal(found["label"], y[found["ids"]])
    for label in range(3):
        assert (y[found["tests"]] == label).sum() == round(0.25 * (y == label).sum())


def test_dropped_rows_are_gone_on_any_rank_count(mpirun, files):
    one, three = load(mpirun, files, ("holes.h5",), (1, 3), missing="drop")
    everything = sorted(np.concatenate([one["ids"], one["tests"]]))
    assert everything == [i for i in range(503) if i not in (5, 77, 350)]
    np.testing.assert_array_equal(one["ids"], three["ids"])


def test_a_test_file_is_read_whole(mpirun, files):
    (found,) = load(mpirun, files, ("a.h5",), (3,), test=str(files / "b.h5"))
    assert (int(found["total"]), int(found["tested"])) == (200, 303)
