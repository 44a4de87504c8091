"""Evaluation client by client: against NumPy, on any ranks, in silos, of personal models, and up to a target."""

import json

import numpy as np
import pytest

from hpcfl import config
from hpcfl.comm.communicator import alone
from hpcfl.errors import UsageError
from hpcfl.federated import population
from hpcfl.federated.spread import score, spread, spreads
from hpcfl.seeding import stream
from tests.federated import test_rounds
from tests.federated.test_rounds import job, run

folder = test_rounds.folder
KEEP = {"client_test": 0.3, "client_validation": 0.1, "held_out_clients": 1, "clients_per_round": 4}
SETS = ("clients", "validation", "held_out")


def jobs(folder):
    def table(scaled=False, **federated):
        return job(folder, 3, 0.02, data={"standardize": scaled}, **{**KEEP, **federated})

    tuned = table(strategy="fedavg")
    tuned["evaluate"] = {"finetune_steps": 3, "every": 2}
    silos = table(strategy="ditto")
    silos["data"]["train"] = str(folder / "silo-{client}.h5")
    iris = job(folder, 12, 0.1, data={"train": "sample:iris", "test": 0.2}, partition="iid", clients=9, client_test=0.2)
    iris |= {"model": {"name": "softmax"}, "evaluate": {"target": 0.8}}
    choosy = table(sampler={"name": "power_of_choice", "candidates": 4}, clients_per_round=2, held_out_clients=0)
    return [table(True), tuned, table(strategy="ditto"), silos, iris, table(strategy="ifca"), choosy]


@pytest.fixture(scope="module")
def alone_(mpirun, folder):
    return run(mpirun, folder, 1, jobs(folder))


@pytest.mark.parametrize("n", [2, 3])
def test_same_numbers_on_any_ranks(mpirun, folder, alone_, n):
    for (w, records), (w1, records1) in zip(run(mpirun, folder, n, jobs(folder)), alone_, strict=True):
        assert (w == w1).all()
        assert [{**r, "seconds": 0} for r in records] == [{**r, "seconds": 0} for r in records1]


def test_silos_measure_what_one_table_does(alone_):
    assert [{**r, "seconds": 0} for r in alone_[2][1]] == [{**r, "seconds": 0} for r in alone_[3][1]]


def test_it_is_what_numpy_finds(folder, alone_):
    (w, records), table = alone_[0], jobs(folder)[0]
    people = population.load(config.load(table), alone())
    train, out = people.shards.train, np.flatnonzero(people.counts == 0)
    first = train.x[: people.shards.total]
    errors = {}
    for c in range(6):
        rows = people.own.tested.of(c)
        x = (rows.x - first.mean(0)) / first.std(0)
        errors[c] = np.sqrt(np.mean((x @ w[:4] + w[4] - rows.y[:, 0]) ** 2))
    mine = np.array([errors[c] for c in range(6) if c != out[0]])
    found = records[-1]["clients"]
    assert found["clients"] == 5
    assert found["rmse"]["mean"] == pytest.approx(mean := mine.mean(), rel=1e-9)
    assert found["rmse"]["variance"] == pytest.approx(np.mean((mine - mean) ** 2), rel=1e-9)
    assert found["rmse"]["worst_decile"] == pytest.approx(mine.max(), rel=1e-9)
    assert found["rmse"]["best_decile"] == pytest.approx(mine.min(), rel=1e-9)
    assert records[-1]["held_out"]["rmse"]["mean"] == pytest.approx(errors[out[0]], rel=1e-9)
    assert "personal_clients" not in records[-1]


def test_tuning_helps_a_client_and_is_made_when_it_is_due(alone_):
    records = alone_[1][1]
    assert [name in r for r in records for name in SETS] == [False] * 3 + [True] * 6
    for name in ("clients", "held_out"):
        assert records[-1]["personal_" + name]["rmse"]["pooled"] < records[-1][name]["rmse"]["pooled"]


def test_several_models_are_measured_where_they_are_chosen(alone_):
    assert "personal_clients" not in alone_[5][1][-1]
    assert alone_[5][1][-1]["clients"]["rmse"]["pooled"] < alone_[5][1][0]["clients"]["rmse"]["pooled"]


def test_power_of_choice_asks_candidates_and_trains_those_that_lose_most(folder, alone_):
    people = population.load(config.load(jobs(folder)[6]), alone())
    rng = stream(0, "cohort", 0)
    asked = np.sort(rng.choice(6, 4, replace=False, p=people.counts / people.counts.sum()))
    y, own = people.shards.train.y[:, 0], people.own.train
    loss = [np.mean(y[own.rows[own.starts[c] : own.starts[c + 1]]] ** 2) for c in asked]  # the model begins at zero
    first = alone_[6][1][0]
    assert first["cohort"] == sorted(asked[np.argsort(loss)[-2:]].tolist())
    assert (first["uplink_bytes"], first["downlink_bytes"]) == (2 * 40 + 4 * 8, 4 * 40)


def test_rounds_and_bytes_to_the_target(folder, alone_):
    records = alone_[4][1]
    summary = json.loads((folder / "run1-4" / "summary.json").read_text())
    first = next(i for i, r in enumerate(records) if r["test"]["accuracy"] >= 0.8)
    assert 0 < first < 11
    assert summary["to_target"] == {
        "target": 0.8,
        "rounds": first + 1,
        "uplink_bytes": sum(r["uplink_bytes"] for r in records[: first + 1]),
        "downlink_bytes": sum(r["downlink_bytes"] for r in records[: first + 1]),
    }
    assert summary["final"]["clients"] == records[-1]["clients"]


def test_known_spreads():
    values = np.arange(20.0)
    assert spread(values, 3.0) == {
        "mean": 9.5, "worst_decile": 0.5, "best_decile": 18.5, "variance": 33.25, "pooled": 3.0
    }  # fmt: skip
    assert spread(values, 3.0, high=False)["worst_decile"] == 18.5
    outputs, y = np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([[0.0, 1.0], [0.0, 3.0]])
    sums = score(outputs, y, True, True)
    np.testing.assert_allclose(sums, [4, 1, -np.log(0.9) - 3 * np.log(0.4)])
    found = spreads(np.array([sums, [1.0, 1.0, 0.0], [0, 0, 0]]), True, True)
    assert (found["clients"], found["accuracy"]["pooled"], found["accuracy"]["mean"]) == (2, 0.4, 0.625)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"evaluate": {"on": ["validation"]}}, "there are no such rows; set federated.client_validation"),
        ({"evaluate": {"on": ["held_out"]}}, "set federated.held_out_clients"),
        ({"evaluate": {"on": ["test"]}, "data": {"test": "none"}}, r"set data\.test"),
        ({"evaluate": {"on": ["client"]}}, "one of 'test', 'clients'"),
        ({"evaluate": {"finetune_steps": 2}, "federated": {"held_out_clients": 2}}, "set federated.client_test"),
        ({"evaluate": {"target": 95.0}}, "evaluate.target = 95"),
        ({"federated": {"client_test": -0.1}}, "client_test = -0.1: 0 or more"),
    ],
)
def test_evaluations_that_cannot_be_are_refused(table, words):
    with pytest.raises(UsageError, match=words):
        config.load({"train": {"mode": "federated"}, **table})
