"""Strategies on unequal quadratics with known optima: where they stop."""

import numpy as np
import pytest

from tests.federated.test_rounds import job, run, write

X = np.array([1.0, 2.0, -1.0])
Y = np.array([2.0, -1.0, 0.5])
ROWS = np.array([4, 16, 8])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    # A client's rows are all alike, so that each batch has the client's own gradient.
    path = tmp_path_factory.mktemp("quadratics")
    client = np.repeat(np.arange(3), ROWS)
    write(path / "all.h5", X[client][:, None], Y[client], client)
    return path


def optimum(weights):
    a = np.column_stack([X, np.ones(3)])
    return np.linalg.solve(a.T @ (weights[:, None] * a), a.T @ (weights * Y))


def jobs(folder):
    def table(strategy, rounds, lr=0.1, momentum=0.0, **federated):
        keys = {"clients_per_round": 3, "batch_size": 4, "local_steps": 10, "strategy": strategy, "weighting": "one"}
        made = job(folder, rounds, lr, **{**keys, **federated})
        made["optimizer"]["momentum"] = momentum
        return made

    unequal = {"local_steps": 0, "local_epochs": 2, "weighting": ""}
    return {
        "fedavg": table("fedavg", 150),
        "scaffold": table("scaffold", 150),
        "scaffold momentum": table("scaffold", 200, 0.02, 0.9),
        "feddyn": table({"name": "feddyn", "alpha": 0.5}, 150),
        "unequal fedavg": table("fedavg", 1200, 0.005, **unequal),
        "unequal fednova": table("fednova", 1200, 0.005, **unequal),
        "fedprox 0": table({"name": "fedprox", "mu": 0.0}, 20),
        "fedprox": table({"name": "fedprox", "mu": 1e6}, 20, 1e-7),
        "fedavg 20": table("fedavg", 20),
        "qfedavg 0": table({"name": "qfedavg", "q": 0.0}, 20),
        "qfedavg": table({"name": "qfedavg", "q": 1.0}, 150),
    }


@pytest.fixture(scope="module")
def found(mpirun, folder):
    table = jobs(folder)
    return dict(zip(table, run(mpirun, folder, 2, list(table.values()), 400), strict=True))


def gap(found, name, weights):
    return np.abs(found[name][0] - optimum(weights)).max()


def test_fedavg_stops_beside_the_optimum_and_scaffold_reaches_it(found):
    assert gap(found, "fedavg", np.ones(3)) > 0.01
    assert gap(found, "scaffold", np.ones(3)) < 1e-6


def test_scaffold_reaches_it_with_momentum(found):
    assert gap(found, "scaffold momentum", np.ones(3)) < 1e-6


def test_feddyn_reaches_it(found):
    assert gap(found, "feddyn", np.ones(3)) < 1e-6


def test_fednova_removes_the_inconsistency_of_unequal_steps(found):
    assert gap(found, "unequal fedavg", ROWS) > 0.1
    assert gap(found, "unequal fednova", ROWS) < 0.1 * gap(found, "unequal fedavg", ROWS)


def test_fedprox_without_pull_is_fedavg_and_a_strong_pull_holds(found):
    assert (found["fedprox 0"][0] == found["fedavg 20"][0]).all()
    assert 0 < np.abs(found["fedprox"][0]).max() < 1e-3


def test_qfedavg_evens_out_the_losses(found):
    np.testing.assert_allclose(found["qfedavg 0"][0], found["fedavg 20"][0], rtol=1e-9)

    def losses(name):
        return 0.5 * (np.column_stack([X, np.ones(3)]) @ found[name][0] - Y) ** 2

    assert losses("qfedavg").max() < losses("fedavg").max()
    assert losses("qfedavg").var() < 0.5 * losses("fedavg").var()
