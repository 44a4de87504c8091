"""A node holds the rows of a simulation once: the same rows as one rank alone reads, in the memory of none."""

import json

import h5py
import numpy as np
import pytest

CODE = """
import json, re, numpy as np
from pathlib import Path
from hpcfl.comm.communicator import world, alone
from hpcfl.comm.window import shared
from hpcfl.config import load
from hpcfl.data import shard
from hpcfl.federated import population
comm = world()
def status(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1)) << 10
def people(**table):
    return population.load(load({"train": {"mode": "federated"}, **table}), comm)
def tell(value):
    every = comm.mpi.gather(value)
    if comm.rank == 0:
        print("TOLD" + json.dumps(every), flush=True)
"""


def told(done):
    return json.loads(done.stdout[done.stdout.index("TOLD") + 4 :].splitlines()[0])


def test_an_array_is_the_same_memory_on_all_ranks(mpirun):
    code = """
a = shared(comm, (3, 5), "float32")
a[comm.rank] = comm.rank + 1
comm.barrier()
total = float(a.sum())
comm.barrier()
del a
tell([total, shared(comm, (0,), "int64").size])
"""
    assert told(mpirun(3, CODE + code)) == [[30.0, 0]] * 3


def write(path, rows, width, sparse=False):
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        if sparse:
            counts = rng.integers(0, 4, rows)
            file["x/indptr"] = np.concatenate([[0], np.cumsum(counts)])
            file["x/indices"] = rng.integers(0, width, counts.sum())
            file["x/data"] = rng.standard_normal(counts.sum()).astype(np.float32)
        else:
            for a in range(0, rows, 10000):
                part = rng.standard_normal((min(10000, rows - a), width)).astype(np.float32)
                x = file.require_dataset("x", (rows, width), np.float32)
                x[a : a + len(part)] = part
        file["y"], file["weight"] = np.arange(rows) % 5, np.linspace(1, 2, rows)
        file.attrs.update(format="hpcfl", version=1, task="classification", features=width)


@pytest.mark.parametrize("sparse", [False, True])
def test_the_rows_are_those_that_one_rank_reads(mpirun, tmp_path, sparse):
    write(tmp_path / "all.h5", 203, 6, sparse)
    code = f"""
table = {{"data": {{"train": {str(tmp_path / "all.h5")!r}, "test": 0.2}}, "federated": {{"clients": 7}}}}
got = people(**table).shards
job = load({{"train": {{"mode": "federated"}}, **table}})
want = shard.load(job.data, job.seed, job.model.dtype, alone())
same = all((a == b).all() for a, b in zip(got.train.x, want.train.x, strict=True))
same = same and (got.train.y == want.train.y).all() and (got.train.ids == want.train.ids).all()
tell([bool(same), got.test.ids.tolist(), want.test.ids.tolist()])
"""
    every = told(mpirun(3, CODE + code))
    assert all(same for same, _, _ in every)
    assert [i for _, ids, _ in every for i in ids] == every[0][2]


def test_no_rank_holds_them_itself(mpirun, tmp_path):
    write(tmp_path / "all.h5", 20000, 500)  # 40 MB
    code = f"""
before = status("RssAnon")
peak = []
held = people(data={{"train": {str(tmp_path / "all.h5")!r}, "test": "none"}}, federated={{"clients": 7}})
own = status("RssAnon") - before
total = float(held.shards.train.x.sum(dtype=np.float64))
tell([own, status("RssShmem"), total, status("VmHWM") - status("VmRSS")])
"""
    one, two = (told(mpirun(n, CODE + code)) for n in (1, 2))
    assert {total for _, _, total, _ in two} == {one[0][2]}
    for own, common, _, _ in one + two:
        assert own < 20e6  # buffers of a block, and what is kept per row
        assert common > 40e6


def test_noise_is_added_once(mpirun, tmp_path):
    write(tmp_path / "all.h5", 300, 3)
    code = f"""
held = people(data={{"train": {str(tmp_path / "all.h5")!r}, "test": "none"}},
              federated={{"clients": 3, "partition": {{"name": "noise", "level": 1.0}}}})
tell([held.shards.train.x.tolist(), held.rows.tolist(), held.starts.tolist()])
"""
    one, two = (told(mpirun(n, CODE + code))[0] for n in (1, 2))
    assert one == two
    with h5py.File(tmp_path / "all.h5") as file:
        noise = np.array(one[0]) - file["x"][()]
    spread = [noise[one[1][a:b]].var() for a, b in zip(one[2][:-1], one[2][1:], strict=True)]
    np.testing.assert_allclose(spread, [1 / 3, 2 / 3, 1], rtol=0.35)


def test_more_rows_than_memory_are_refused(mpirun, tmp_path):
    with h5py.File(tmp_path / "all.h5", "w") as file:
        file.create_dataset("x", (1 << 36, 100), np.float32)  # no byte of it is ever written
        file.create_dataset("y", (1 << 36,), np.int64)
        file.attrs.update(format="hpcfl", version=1, task="classification")
    code = f'people(data={{"train": {str(tmp_path / "all.h5")!r}}})'
    done = mpirun(2, CODE + code, check=False)
    assert "a node of a simulation holds all of them" in done.stderr
