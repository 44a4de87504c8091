"""Whole runs under MPI, from files, against gradient descent and local SGD, and bit for bit."""

import json

import h5py
import numpy as np
import pytest

PRELUDE = """
import sys, json, h5py, numpy as np
from hpcfl import config
from hpcfl.comm.communicator import world
from hpcfl.trainers import run
comm = world()
def go(table, output):
    job = config.load({**table, "output": output})
    records = list(run.records(job, comm, True))
    return h5py.File(output + "/model.h5")["w"][()] if comm.rank == 0 else None, records
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("federated")
    rng = np.random.default_rng(3)
    x = rng.standard_normal((90, 4))
    y = x @ [1.0, -2.0, 0.5, 0.0] + 0.3 + 0.1 * rng.standard_normal(90)
    client = np.repeat(np.arange(6), [5, 10, 15, 20, 10, 30])
    write(path / "all.h5", x, y, client)
    for c in range(6):
        write(path / f"silo-{c}.h5", x[client == c], y[client == c])
    return path


def write(path, x, y, client=None):
    with h5py.File(path, "w") as file:
        file["x"], file["y"] = x, y
        if client is not None:
            file["client"] = client
        file.attrs.update(format="hpcfl", version=1, task="regression")


def job(folder, rounds=4, lr=0.05, data=None, **federated):
    given = {"partition": "column", "clients_per_round": 6, "batch_size": 4, **federated}
    return {
        "data": {"train": str(folder / "all.h5"), "test": "none", **(data or {})},
        "model": {"name": "linear", "dtype": "float64"},
        "optimizer": {"name": "sgd", "learning_rate": lr},
        "train": {"mode": "federated", "rounds": rounds},
        "checkpoint": {"every_seconds": 0.0},
        "federated": given,
    }


def run(mpirun, folder, n, jobs, timeout=240, on_node=99):
    """Run jobs, as if each node had `on_node` ranks; return their parameters and records."""
    code = (
        PRELUDE
        + f"""
comm.node = comm.mpi.Split(comm.rank // {on_node}, comm.rank)
out = []
for i, table in enumerate(json.loads({json.dumps(jobs)!r})):
    w, records = go(table, {str(folder)!r} + f"/run{{comm.size}}-{{i}}")
    out.append((None if w is None else [float(v).hex() for v in w], records))
if comm.rank == 0:
    print("RESULT" + json.dumps(out))
"""
    )
    text = mpirun(n, code, timeout=timeout).stdout
    out = json.loads(text[text.index("RESULT") + 6 :].splitlines()[0])
    return [(np.array([float.fromhex(v) for v in w]), records) for w, records in out]


def rows_of(folder):
    with h5py.File(folder / "all.h5") as file:
        return np.column_stack([file["x"][()], np.ones(90)]), file["y"][()]


def gradient(w, x, y):
    return x.T @ (x @ w - y) / len(y)


def test_full_batches_and_one_epoch_are_gradient_descent_on_the_union(mpirun, folder):
    x, y = rows_of(folder)
    ((found, _),) = run(mpirun, folder, 1, [job(folder, 10, batch_size="full")])
    w = np.zeros(5)
    for _ in range(10):
        w -= 0.05 * gradient(w, x, y)
    np.testing.assert_allclose(found, w, rtol=1e-12)
    assert np.abs(w).max() > 0.3


def test_one_client_with_everything_is_local_sgd(mpirun, folder):
    from hpcfl.seeding import key
    from tests.reference.federated import batches

    x, y = rows_of(folder)
    one = job(folder, 3, partition="iid", clients=1, clients_per_round=1, local_epochs=2)
    ((found, _),) = run(mpirun, folder, 1, [one])
    w = np.zeros(5)
    for r in range(3):
        stream = (int(key(0, "local", r)) + 0xD1B54A32D192ED03) % 2**64
        source = batches(stream, np.arange(90), 4)
        for _ in range(2 * 23):
            rows = next(source)
            w -= 0.05 * gradient(w, x[rows], y[rows])
    np.testing.assert_allclose(found, w, rtol=1e-10)


def matrix(folder):
    silo = {"train": str(folder / "silo-{client}.h5"), "standardize": True}
    return [
        job(folder, clients_per_round=4, local_epochs=2),
        job(folder, clients_per_round=4, local_epochs=2, exchange="gather"),
        job(folder, data=silo, clients_per_round=5),
        job(folder, data={"standardize": True, "test": 0.2}, partition="iid", clients=9, server="fedadam"),
    ]


@pytest.fixture(scope="module")
def alone(mpirun, folder):
    return run(mpirun, folder, 1, matrix(folder))


@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_same_bits_on_any_number_of_ranks(mpirun, folder, alone, n):
    for (w, records), (w1, records1) in zip(run(mpirun, folder, n, matrix(folder)), alone, strict=True):
        assert (w == w1).all()
        assert [r["cohort"] for r in records] == [r["cohort"] for r in records1]
        assert [r["train_loss"] for r in records] == [r["train_loss"] for r in records1]


def test_the_same_bits_on_several_nodes(mpirun, folder, alone):
    jobs = [*matrix(folder), job(folder, strategy="scaffold", clients_per_round=4)]
    (*several, (w, _)), ((w1, _),) = run(mpirun, folder, 3, jobs, on_node=2), run(mpirun, folder, 2, jobs[-1:])
    assert all((a == b).all() for (a, _), (b, _) in zip(several, alone, strict=True))
    assert (w == w1).all()


def test_reduce_and_gather_are_equal_and_rows_weigh(alone, folder):
    assert (alone[0][0] == alone[1][0]).all()
    assert len({tuple(r["cohort"]) for r in alone[0][1]}) > 1
    assert all(len(r["cohort"]) == 4 and r["uplink_bytes"] == 4 * 5 * 8 for r in alone[0][1])


def test_silos_equal_the_same_rows_in_one_table(mpirun, folder):
    silo = job(folder, data={"train": str(folder / "silo-{client}.h5")})
    (a, _), (b, _) = run(mpirun, folder, 2, [silo, job(folder)])
    assert (a == b).all()


def test_each_silo_is_opened_by_one_rank_only(mpirun, folder):
    table = job(folder, data={"train": str(folder / "silo-{client}.h5")})
    code = (
        PRELUDE
        + f"""
opened, true = set(), h5py.File
sys.addaudithook(lambda event, args: opened.add(str(args[0])) if event == "open" else None)
class File(true):
    def __init__(self, name, *a, **k):
        opened.add(str(name)); super().__init__(name, *a, **k)
h5py.File = File
go(json.loads({json.dumps(table)!r}), {str(folder / "watched")!r})
every = comm.mpi.gather(sorted(n[-4] for n in opened if "/silo-" in n and n.endswith(".h5")))
if comm.rank == 0:
    print("OPENED" + json.dumps(every))
"""
    )
    text = mpirun(3, code, timeout=240).stdout
    each = [set(names) for names in json.loads(text[text.index("OPENED") + 6 :].splitlines()[0])]
    assert len(each) == 3
    assert sum(map(len, each)) == len(set.union(*each)) == 6


def test_a_client_past_the_bound_is_left_out_and_named(mpirun, folder, tmp_path):
    x, y = rows_of(folder)
    with h5py.File(folder / "all.h5") as file:
        client = file["client"][()]
    y = np.where(client == 2, 1e9, y)
    write(tmp_path / "all.h5", x[:, :4], y, client)
    w, records = run(mpirun, tmp_path, 2, [job(tmp_path, 2, batch_size="full")])[0]
    assert [r["rejected"] for r in records] == [[2], [2]]
    keep, want = client != 2, np.zeros(5)
    for _ in range(2):
        want -= 0.05 * gradient(want, x[keep], y[keep])
    np.testing.assert_allclose(w, want, rtol=1e-12)


def test_a_round_with_nobody_left_keeps_the_model(mpirun, folder):
    w, records = run(mpirun, folder, 2, [job(folder, 2, bound=1e-9)])[0]
    assert (w == 0).all()
    assert records[0]["rejected"] == list(range(6))
    assert records[0]["train_loss"] is None
    said = "no client's update was taken in any round, the model is as it began: 12 were left out"
    assert ["notes" in r for r in records] == [False, True]
    assert records[1]["notes"][0].startswith(said)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"clients_per_round": 7}, "federated.clients_per_round = 7: only 6 clients have rows"),
        (
            {"attack": {"name": "sign_flip", "clients": 200}},
            "federated.attack.clients = 200: only 6 clients have rows; set it to 6 or less",
        ),
    ],
    ids=["cohort", "attack"],
)
def test_more_clients_than_there_are_is_refused(mpirun, folder, keys, said):
    table = job(folder, **keys)
    code = PRELUDE + f"go(json.loads({json.dumps(table)!r}), {str(folder / 'refused')!r})"
    done = mpirun(2, code, timeout=240, check=False)
    assert done.returncode != 0
    assert said in done.stderr
