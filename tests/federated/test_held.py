"""Rows that clients keep back, and clients that are held out: who has what, in one table and in silos."""

import h5py
import numpy as np
import pytest

from hpcfl import config
from hpcfl.comm.communicator import alone
from hpcfl.errors import DataError, UsageError
from hpcfl.federated import population
from tests.federated import test_rounds
from tests.trainers.data import write

folder = test_rounds.folder
SIZES = np.array([5, 10, 15, 20, 10, 30])


def people(folder, train="all.h5", **federated):
    table = test_rounds.job(folder, clients_per_round=2, **federated)
    table["data"]["train"] = str(folder / train)
    return population.load(config.load(table), alone())


@pytest.mark.parametrize("train", ["all.h5", "silo-{client}.h5"])
def test_every_row_has_one_use(folder, train):
    found = people(folder, train, client_test=0.2, client_validation=0.25)
    tests, validations = (np.diff(r.starts) for r in (found.own.tested, found.own.validated))
    assert tests.tolist() == [1, 2, 3, 4, 2, 6]
    assert validations.tolist() == [1, 2, 4, 5, 2, 8]
    assert found.counts.tolist() == (SIZES - tests - validations).tolist() == np.diff(found.starts).tolist()
    assert found.shards.total == found.shards.plan.cuts[-1] == found.counts.sum() == found.rows.max() + 1
    used = [r.rows for r in (found.own.train, found.own.tested, found.own.validated)]
    assert (np.sort(np.concatenate(used)) == np.arange(90)).all()
    whole, x, y = people(folder, train).shards.train, found.shards.train.x, found.shards.train.y
    assert (np.column_stack([x, y]) == np.column_stack([whole.x, whole.y])[found.own.order]).all()


def test_silos_and_one_table_keep_the_same_rows(folder):
    a, b = (people(folder, t, client_test=0.3, held_out_clients=2) for t in ("all.h5", "silo-{client}.h5"))
    assert (a.counts == b.counts).all()
    for c in range(6):
        assert (a.own.tested.of(c).x == b.own.tested.of(c).x).all()
        rows = [p.shards.train.x[p.rows[p.starts[c] : p.starts[c + 1]]] for p in (a, b)]
        assert (rows[0] == rows[1]).all()


def test_silos_mean_the_same_and_so_does_their_test_file(folder, tmp_path):
    for i in range(3):
        write(tmp_path / f"silo-{i}.h5", np.ones((4, 2)), np.arange(4) % 2)
        with h5py.File(tmp_path / f"silo-{i}.h5", "a") as file:
            file.attrs["classes"] = '["a", "b"]'
    write(tmp_path / "wide.h5", np.ones((4, 3)), np.arange(4) % 2)
    write(tmp_path / "beyond.h5", np.ones((4, 2)), np.arange(4))
    table = test_rounds.job(tmp_path, clients_per_round=2) | {"model": {"name": "softmax"}}
    table["data"] = {"train": str(tmp_path / "silo-{client}.h5"), "test": "none"}
    assert population.load(config.load(table), alone()).shards.names == ("a", "b")
    for name, what in [("wide", "3 features, the training data has 2"), ("beyond", "row 2: label 2")]:
        table["data"]["test"] = str(tmp_path / f"{name}.h5")
        with pytest.raises(DataError, match=what):
            population.load(config.load(table), alone())
    table["data"]["test"] = "none"
    with h5py.File(tmp_path / "silo-2.h5", "a") as file:
        file.attrs["classes"] = '["b", "a"]'
    with pytest.raises(DataError, match="differ in the names of classes"):
        population.load(config.load(table), alone())


def test_clients_that_are_held_out_come_last_and_no_plan_knows_them(folder):
    found = people(folder, held_out_clients=2)
    out = found.counts == 0
    assert out.sum() == 2
    assert (found.sizes == SIZES).all()
    assert found.shards.plan.cuts[-1] == found.shards.total == SIZES[~out].sum()
    rows = np.concatenate([found.rows[found.starts[c] : found.starts[c + 1]] for c in np.flatnonzero(out)])
    assert rows.min() == found.shards.total


def test_a_row_is_left_to_train_on(folder):
    assert people(folder, client_test=0.99).counts.min() == 1


def test_what_cannot_be_is_refused(folder):
    with pytest.raises(UsageError, match="held_out_clients = 6: of 6 clients one must be left"):
        people(folder, held_out_clients=6)
    with pytest.raises(UsageError, match=r"client_test = 0\.6, client_validation = 0\.4: a sum below 1"):
        people(folder, client_test=0.6, client_validation=0.4)
