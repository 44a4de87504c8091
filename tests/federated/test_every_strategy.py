"""What holds for every strategy that there is, new ones included: the same bits on any ranks, learning, resuming."""

import pytest

from hpcfl import registry
from tests.federated import test_rounds
from tests.federated.test_rounds import job, run

folder = test_rounds.folder
NAMES = registry.names("strategies")


def jobs(folder):
    def table(name):
        made = job(folder, 5, 0.02, strategy=name, clients_per_round=4, local_epochs=2)
        made["model"] = {"name": "mlp", "hidden": [3], "activation": "tanh", "dtype": "float32"}
        return made

    return [table(name) for name in NAMES]


@pytest.fixture(scope="module")
def alone(mpirun, folder):
    return dict(zip(NAMES, run(mpirun, folder, 1, jobs(folder)), strict=True))


@pytest.fixture(scope="module", params=[2, 3])
def spread(request, mpirun, folder):
    return dict(zip(NAMES, run(mpirun, folder, request.param, jobs(folder)), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_same_bits_on_any_number_of_ranks(spread, alone, name):
    assert (spread[name][0] == alone[name][0]).all()
    for a, b in zip(spread[name][1], alone[name][1], strict=True):
        assert {k: v for k, v in a.items() if k != "seconds"} == {k: v for k, v in b.items() if k != "seconds"}


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_and_nobody_is_left_out(alone, name):
    records = alone[name][1]
    assert all(r["rejected"] == [] for r in records)
    assert records[-1]["train_loss"] < records[0]["train_loss"]
