"""The convolutional model in the trainers: PyTorch's losses, the same bits on any ranks, job files, bad input."""

import json
import tomllib

import numpy as np
import pytest

import hpcfl
from hpcfl import config
from hpcfl.comm.communicator import world
from hpcfl.data import h5, shard
from hpcfl.errors import UsageError
from hpcfl.inference import load_run
from tests.conftest import peer

LAYERS = ["conv 6 3 same", "pool 2", "conv 8 3", "dense 16"]
PROGRAM = """
from mpi4py import MPI
import hpcfl
model = {{"name": "cnn", "layers": {layers!r}, "l2": 0.001}}
table = {{"data": {{"train": "sample:digits", "test": 0.2}}, "model": model, "reproducible": True}}
def out(name): return f"{folder}/{{name}}-{{MPI.COMM_WORLD.size}}"
hpcfl.train(table | {{"output": out("steps"), "train": {{"epochs": 1, "batch_size": 128}}}})
people = {{"clients": 6, "clients_per_round": 3, "local_epochs": 1}}
rounds = {{"mode": "federated", "rounds": 2}}
hpcfl.train(table | {{"output": out("rounds"), "train": rounds, "federated": people}})
"""


@pytest.fixture(scope="module")
def runs(mpirun, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cnn")
    for n in (1, 2, 3):
        mpirun(n, PROGRAM.format(folder=folder, layers=LAYERS), timeout=120)
    return folder


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("mode", ["steps", "rounds"])
def test_reproducible_gives_the_same_bits(runs, mode, n):
    one, many = (h5.read(runs / f"{mode}-{k}" / "model.h5")[0]["w"] for k in (1, n))
    assert np.linalg.norm(one) > 1
    assert one.tobytes() == many.tobytes()


def test_the_job_learns_digits_and_predicts_what_was_measured(tmp_path, request):
    out, root = tmp_path / "digits", request.config.rootpath
    table = tomllib.loads((root / "jobs/digits_cnn.toml").read_text())
    hpcfl.train(table | {"output": str(out), "train": {"epochs": 8, "batch_size": 64}})
    test = json.loads((out / "summary.json").read_text())["final"]["test"]
    assert test["accuracy"] > 0.95
    x, y = (h5.read(root / "hpcfl/data/samples/digits.h5")[0][name] for name in ("x", "y"))
    p = load_run(out).predict(x.astype(np.float32))
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert (p.argmax(axis=1) == y).mean() > 0.97


@pytest.mark.parametrize(("activation", "optimizer"), [("relu", 0.9), ("tanh", 0.0)])
def test_loss_curve_equals_pytorch_step_by_step(activation, optimizer):
    torch = peer("torch")
    job = config.load(
        {
            "data": {"train": "sample:digits", "test": "none"},
            "model": {"name": "cnn", "layers": LAYERS, "activation": activation},
            "optimizer": {"learning_rate": 0.05, "momentum": optimizer},
        }
    )
    shards, rule = shard.load(job.data, 0, "float32", world()), job.model.rule
    layout, spec = rule.layout(64, 10), rule.spec(64, 10)
    w, state = layout.zeros(np.float32), np.zeros((1, layout.size), np.float32)
    rule.init(np.random.default_rng(0), layout.views(w))
    act = torch.nn.ReLU() if activation == "relu" else torch.nn.Tanh()
    conv, dense = torch.nn.Conv2d, torch.nn.Linear
    front = torch.nn.Sequential(conv(1, 6, 3, padding=1), act, torch.nn.MaxPool2d(2), conv(6, 8, 3), act)
    back = torch.nn.Sequential(dense(32, 16), act, dense(16, 10))
    with torch.no_grad():
        views = layout.views(w)
        for i, layer in enumerate([front[0], front[3], back[0], back[2]]):
            value = torch.from_numpy(views[f"w{i}"].copy())
            layer.weight.copy_(value.permute(3, 2, 0, 1) if i < 2 else value.T)
            layer.bias.copy_(torch.from_numpy(views[f"b{i}"].copy()))
    sgd = torch.optim.SGD([*front.parameters(), *back.parameters()], lr=0.05, momentum=optimizer)
    affine, grad = np.stack([np.full(64, 8.0), np.full(64, 0.2)]).astype(np.float32), np.empty_like(w)
    x = torch.from_numpy((shards.train.x.astype(np.float32) - 8) * np.float32(0.2)).reshape(-1, 1, 8, 8)
    y = torch.from_numpy(shards.train.y[:, 0].astype(np.int64))
    work = np.empty(rule.work(64, 10, 32), np.float32)
    for t, batch in enumerate(np.random.default_rng(1).integers(0, 1797, (40, 32)).astype(np.int32), 1):
        mine = rule.loss_grad(False)(w, shards.train.x, shards.train.y, batch, affine, spec, work, grad) / 32
        job.optimizer.rule.step(w, grad / np.float32(32), state, 0.05, t)
        sgd.zero_grad()
        loss = torch.nn.functional.cross_entropy(back(front(x[batch]).permute(0, 2, 3, 1).flatten(1)), y[batch])
        loss.backward()
        sgd.step()
        assert mine == pytest.approx(loss.item(), abs=1e-4, rel=1e-4)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"layers": ["conv 8"]}, "'conv 8' is no layer"),
        ({"layers": ["cnov 8 3"]}, "'cnov 8 3' is no layer"),
        ({"layers": ["pool 2"]}, "must follow a convolution"),
        ({"layers": ["dense 5", "conv 8 3"]}, "cannot follow a dense layer"),
        ({"layers": ["conv 8 4 same"]}, "wants an odd size"),
        ({"image": [8, 8]}, "height, width, channels"),
    ],
)
def test_bad_layers_are_refused_when_the_job_is_read(keys, says):
    with pytest.raises(UsageError, match=says):
        config.load({"data": {"train": "sample:digits"}, "model": {"name": "cnn"} | keys})


@pytest.mark.parametrize(
    ("keys", "says"),
    [({"image": [7, 9, 1]}, "a row has 64"), ({"layers": ["conv 4 5", "conv 4 5"]}, "leaves nothing of 4 x 4")],
)
def test_bad_sizes_are_refused_when_the_data_is_known(keys, says, tmp_path):
    table = {"data": {"train": "sample:digits"}, "model": {"name": "cnn"} | keys, "output": str(tmp_path / "out")}
    with pytest.raises(UsageError, match=says):
        hpcfl.train(table)
