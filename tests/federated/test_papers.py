"""Strategies against their papers' pseudo-code: the server's model and the clients' own after some rounds."""

import h5py
import numpy as np
import pytest

from hpcfl.seeding import stream
from tests.federated import test_rounds
from tests.federated.test_rounds import job, rows_of, run
from tests.reference import strategies as papers

folder = test_rounds.folder
LR, ROUNDS = 0.03, 4
W, B = np.array([1, 1, 1, 1, 0], bool), np.array([0, 0, 0, 0, 1], bool)
CASES = {
    "mimelite": ({"momentum": 0.8}, lambda world, w: papers.mime(world, w, LR, 0.8, lite=True)),
    "mime": ({"momentum": 0.8}, lambda world, w: papers.mime(world, w, LR, 0.8, lite=False)),
    "ditto": ({"pull": 0.7}, lambda world, w: papers.ditto(world, w, LR, 0.7)),
    "pfedme": (
        {"pull": 2.0, "inner": 3, "outer_rate": 0.1},
        lambda world, w: papers.pfedme(world, w, LR, 2.0, 3, 0.1, 0.5),
    ),
    "perfedavg": ({"alpha": 0.05}, lambda world, w: papers.perfedavg(world, w, LR, 0.05)),
    "fedrep": ({"head": ["b"]}, lambda world, w: papers.fedrep(world, w, LR, B)),
    "fedbn": ({"own": ["w"]}, lambda world, w: papers.fedbn(world, w, LR, W)),
    "ifca": (
        {"clusters": 3, "spread": 2.0},
        lambda world, w: papers.ifca(world, w + 2.0 * stream(0, "models").standard_normal((3, 5)), LR),
    ),
}


@pytest.fixture(scope="module")
def found(mpirun, folder):
    def table(name):
        made = job(folder, ROUNDS, LR, strategy={"name": name, **CASES[name][0]}, clients_per_round=4, local_epochs=2)
        made["evaluate"] = {"on": ["clients"], "finetune_steps": int(name == "perfedavg")}
        if name == "pfedme":
            made["federated"]["server"] = {"name": "sgd", "learning_rate": 0.5}
        return made

    results = run(mpirun, folder, 2, [table(name) for name in CASES])
    return {name: (i, *result) for i, (name, result) in enumerate(zip(CASES, results, strict=True))}


def twin(folder, name, records):
    (x, y), cohorts = rows_of(folder), [r["cohort"] for r in records]
    with h5py.File(folder / "all.h5") as file:
        world = papers.World(x, y, file["client"][()], cohorts, 2, 4)
    return world, *CASES[name][1](world, np.zeros(5))


@pytest.mark.parametrize("name", CASES)
def test_the_server_follows_the_paper(folder, found, name):
    i, w, records = found[name]
    _, want, _ = twin(folder, name, records)
    if want.ndim > 1:
        with h5py.File(folder / f"run2-{i}" / "model.h5") as file:
            w = file["models"][()]
        assert len(np.unique(np.round(w, 3), axis=0)) > 1
    np.testing.assert_allclose(w, want, rtol=1e-9, atol=1e-12)
    assert np.abs(want).max() > 0.05


@pytest.mark.parametrize("name", [n for n in CASES if n not in ("mime", "mimelite", "ifca")])
def test_personal_models_follow_the_paper(folder, found, name):
    _, w, records = found[name]
    world, _, own = twin(folder, name, records)
    each = [2 * world.loss(own.get(i, w), i) for i in range(6)]  # who was never drawn has the model of today
    spread = records[-1]["personal_clients"]["rmse"]
    assert spread["mean"] == pytest.approx(np.mean(np.sqrt(each)), rel=1e-9)
    assert spread["variance"] == pytest.approx(np.var(np.sqrt(each)), rel=1e-8)
    assert spread["pooled"] != pytest.approx(records[-1]["clients"]["rmse"]["pooled"], rel=1e-3)
