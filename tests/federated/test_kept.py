"""What clients keep: exact after a restart on any ranks, undone for the rejected, and not in memory."""

import json
import shutil

import h5py
import numpy as np
import pytest

from hpcfl.comm.communicator import alone
from hpcfl.data.checkpoint import Checkpoints
from hpcfl.errors import DataError
from hpcfl.federated.bank import Bank
from hpcfl.federated.kept import Kept
from hpcfl.models.linear import Linear
from tests.federated.test_rounds import PRELUDE, folder, job, run  # noqa: F401


@pytest.fixture(params=[0, 1 << 20], ids=["in files", "in memory"])
def make(request, tmp_path):
    """Return a function that makes clients' state: two parts of six clients."""
    keeps, like = {"a": "zeros", "b": "w"}, np.zeros(3, np.float32)
    return lambda checkpoints=1: Kept(keeps, 6, like, alone(), tmp_path, request.param, checkpoints)


def bank_of(clients):
    return Bank({"w": 0}, np.full((1, 3), 7, np.float32), clients, 2, Linear().layout(2, 1))


def put(kept, ids, value, accepted=True):
    bank = bank_of(len(ids))
    bank["a"], bank["b"] = value, value + 1
    kept.store(np.array(ids), np.broadcast_to(accepted, len(ids)), bank)


def get(kept, client):
    bank = bank_of(2)
    kept.load(np.array([client, client]), bank)
    assert all((bank[name] == bank[name][0, 0]).all() for name in "ab")
    return [float(bank[name][0, 0]) for name in "ab"]


def test_first_use_storing_and_rejection(make):
    kept = make()
    assert get(kept, 4) == [0, 7]
    put(kept, [4, 2], 10)
    put(kept, [4], 20, accepted=False)
    put(kept, [0, 2], 30, accepted=[False, True])
    assert [get(kept, c) for c in (4, 2, 0)] == [[10, 11], [30, 31], [0, 7]]


def test_going_back_to_a_checkpoint_is_exact(make, tmp_path):
    kept, home = make(), np.ones(6, bool)
    put(kept, [0, 1], 1)
    saved = {name: [a.copy()] for name, a in kept.arrays().items()}
    kept.settle(True)
    put(kept, [0, 3], 5)
    put(kept, [0], 6)
    lost = make()
    lost.restore(saved, home)
    assert [get(lost, c) for c in (0, 1, 3)] == [[1, 2], [1, 2], [0, 7]]
    put(lost, [3], 8)
    again = {name: [a.copy()] for name, a in lost.arrays().items()}
    lost = make()
    lost.restore(again, home)
    assert [get(lost, c) for c in (0, 1, 3)] == [[1, 2], [1, 2], [8, 9]]
    shutil.rmtree(tmp_path / "000001")
    with pytest.raises(DataError, match="what clients keep is not all there"):
        make().restore(saved, home)


def test_files_do_not_grow_without_end_and_old_ones_go(make, tmp_path):
    kept = make(checkpoints=2)
    for i in range(20):
        put(kept, [0, 1, 2], i)
        kept.arrays()
        kept.settle(i % 3 > 0)
        assert get(kept, 1) == [i, i + 1]
    assert kept.used <= 3 * 4
    again = make(checkpoints=2)
    again.restore({name: [a] for name, a in kept.arrays().items()}, np.ones(6, bool))
    for _ in range(2):
        assert len(list(tmp_path.iterdir())) == 2
        again.arrays()
        again.settle(True)
    assert [p.name for p in tmp_path.iterdir()] == ["000002"]


CUT = """
table, rounds = json.loads(sys.argv[1]), int(sys.argv[2])
job = config.load(table)
if rounds:
    for i, _ in enumerate(run.records(job, comm, True)):
        if i == rounds:
            break
else:
    list(run.records(job, comm, resume="must"))
"""


@pytest.mark.parametrize("memory", [1, 1 << 32])
def test_a_run_goes_on_to_the_same_bits_on_other_ranks(mpirun, folder, tmp_path, memory):  # noqa: F811
    def table(name):
        made = job(folder, 7, strategy="scaffold", clients_per_round=3, state_memory=memory)
        return {**made, "checkpoint": {"every_rounds": 2, "every_seconds": 0.0}, "output": str(tmp_path / name)}

    def go(n, name, rounds):
        mpirun(n, ["-c", PRELUDE + CUT, json.dumps(table(name)), str(rounds)], timeout=240)

    go(1, "whole", 99)
    go(2, "cut", 5)
    go(3, "cut", 0)
    models = [h5py.File(tmp_path / name / "model.h5")["w"][()] for name in ("whole", "cut")]
    assert (models[0] == models[1]).all()
    assert np.abs(models[0]).max() > 0.1
    assert len(Checkpoints(tmp_path / "cut" / "checkpoints", alone(), 2)._names()) == 2


def test_working_client_by_client_gives_the_same_bits(mpirun, folder):  # noqa: F811
    kinds = [{"strategy": "scaffold"}, {"aggregator": "median"}, {"exchange": "gather"}, {"strategy": "ifca"}]
    small, large = (
        run(mpirun, folder, 2, [job(folder, 3, clients_per_round=5, state_memory=m, **k) for k in kinds])
        for m in (1, 1 << 32)
    )
    for (w, records), (w1, records1) in zip(small, large, strict=True):
        assert (w == w1).all()
        assert [r["train_loss"] for r in records] == [r["train_loss"] for r in records1]


GROWTH = """
import re
from pathlib import Path
def resident():
    text = Path("/proc/self/status").read_text()
    return sum(int(re.search(name + r":\\s+(\\d+)", text).group(1)) << 10 for name in ("RssAnon", "RssFile", "RssShmem"))
seen = [resident() for _ in run.records(config.load(json.loads(sys.argv[1])), comm, True)]
kept = sum(p.stat().st_size for p in Path(json.loads(sys.argv[1])["output"]).glob("state/*/*"))
every = comm.mpi.gather(seen)
if comm.rank == 0:
    print("SEEN" + json.dumps([every, kept]))
"""


@pytest.mark.parametrize(
    ("clients", "width"), [(1000, 2000), pytest.param(5000, 20000, marks=pytest.mark.long)], ids=["1000", "5000"]
)
def test_memory_does_not_grow_with_the_clients_that_were_seen(mpirun, tmp_path, clients, width):
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "all.h5", "w") as file:
        file["x"], file["y"] = rng.integers(0, 2, (clients, width), np.uint8), rng.standard_normal(clients)
        file.attrs.update(format="hpcfl", version=1, task="regression")
    table = {
        "output": str(tmp_path / "run"),
        "data": {"train": str(tmp_path / "all.h5"), "test": "none"},
        "model": {"name": "linear"},
        "optimizer": {"learning_rate": 1e-6},
        "train": {"mode": "federated", "rounds": 60},
        "checkpoint": {"every_seconds": 0.0, "every_rounds": 20},
        "federated": {
            "clients": clients,
            "clients_per_round": clients // 20,
            "strategy": "scaffold",
            "state_memory": 1 << 20,
        },
    }
    text = mpirun(2, ["-c", PRELUDE + GROWTH, json.dumps(table)], timeout=280).stdout
    every, kept = json.loads(text[text.index("SEEN") + 4 :].splitlines()[0])
    assert kept > 0.9 * clients * width * 4
    for seen in every:
        assert seen[-1] - seen[9] < 0.25 * kept
