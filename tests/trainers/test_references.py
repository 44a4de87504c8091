"""Single-process references: NumPy's least squares, scikit-learn, PyTorch."""

import json

import numpy as np
import pytest

import hpcfl
from hpcfl import config, registry
from hpcfl.comm.communicator import world
from hpcfl.data import h5, shard
from hpcfl.kernels import updates
from tests.conftest import peer
from tests.trainers import data

GD = {"train__batch_size": "full", "data__test": "none", "model__dtype": "float64"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("references")
    data.make(where)
    return where


def rows(folder, file):
    import h5py

    with h5py.File(folder / file) as f:
        return f["x"][:].astype(np.float64), f["y"][:]


def scaled(x):
    return (x - x.mean(0)) / x.std(0)


def test_least_squares_by_gradient_descent(folder):
    table = data.job(folder, "linear", "lstsq", train__epochs=400, model__l2=0.0, optimizer__learning_rate=0.3, **GD)
    hpcfl.train(table)
    x, y = rows(folder, "regression.h5")
    want = np.linalg.lstsq(np.column_stack([scaled(x), np.ones(len(x))]), y, rcond=None)[0]
    got = h5.read(folder / "lstsq" / "model.h5")[0]["w"]
    np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(("case", "file"), [("logistic", "binary.h5"), ("softmax", "classes.h5")])
def test_reaches_the_loss_of_scikit_learn(folder, case, file):
    from sklearn.linear_model import LogisticRegression

    table = data.job(folder, case, f"sk-{case}", train__epochs=1500, optimizer__learning_rate=0.5, **GD)
    record = hpcfl.train(table)
    x, y = rows(folder, file)
    fit = LogisticRegression(C=1 / (0.01 * len(x)), tol=1e-10, max_iter=10000).fit(scaled(x), y)
    p = fit.predict_proba(scaled(x))
    want = -np.log(p[np.arange(len(y)), y]).mean() + 0.005 * (fit.coef_**2).sum()
    assert record["train_loss"] == pytest.approx(want, rel=1e-6)


def test_svm_reaches_the_loss_of_scikit_learn(folder):
    from sklearn.svm import LinearSVC

    record = hpcfl.train(data.job(folder, "svm", "sk-svm", train__epochs=2000, optimizer__learning_rate=0.1, **GD))
    x, y = rows(folder, "binary.h5")
    # LinearSVC penalizes the intercept too; scaling it up makes that penalty negligible.
    fit = LinearSVC(C=1 / (0.02 * len(x)) * 2, tol=1e-10, max_iter=100000, intercept_scaling=1000, dual=False).fit(
        scaled(x), y
    )
    margin = (2 * y - 1) * fit.decision_function(scaled(x))
    want = (np.maximum(0, 1 - margin) ** 2).mean() + 0.005 * (fit.coef_**2).sum()
    assert record["train_loss"] == pytest.approx(want, rel=1e-4)


def curve(dtype="float32", steps=60):
    """Return the losses of an MLP on digits, step by step, with the batches and weights used."""
    job = config.load(
        {
            "data": {"train": "sample:digits", "test": "none"},
            "model": {"name": "mlp", "hidden": [32, 16], "dtype": dtype},
        }
    )
    shards = shard.load(job.data, 0, dtype, world())
    rule = job.model.rule
    layout, spec = rule.layout(64, 10), rule.spec(64, 10)
    w = layout.zeros(dtype)
    rule.init(np.random.default_rng(0), layout.views(w))
    optimizer = registry.load("optimizers", "sgd")(learning_rate=0.05, momentum=0.9)
    state, grad, work = np.zeros((1, w.size), dtype), np.empty_like(w), np.empty(rule.work(64, 10, 32), dtype)
    affine = np.stack([np.full(64, 8.0), np.full(64, 0.2)]).astype(dtype)
    batches = np.random.default_rng(1).integers(0, 1797, (steps, 32)).astype(np.int32)
    first, losses = w.copy(), []
    for t, batch in enumerate(batches, 1):
        loss = rule.loss_grad(False)(w, shards.train.x, shards.train.y, batch, affine, spec, work, grad)
        updates.finish(grad, grad.dtype.type(1 / 32), w, layout.penalized(), grad.dtype.type(0), grad)
        optimizer.step(w, grad, state, 0.05, t)
        losses.append(loss / 32)
    return losses, first, batches, shards, layout


def test_loss_curve_equals_pytorch_step_by_step():
    torch = peer("torch")
    losses, first, batches, shards, layout = curve()
    net = torch.nn.Sequential(
        torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10)
    )
    views = layout.views(first)
    with torch.no_grad():
        for i, layer in enumerate(net[::2]):
            layer.weight.copy_(torch.from_numpy(views[f"w{i}"].T.copy()))
            layer.bias.copy_(torch.from_numpy(views[f"b{i}"].copy()))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    x = torch.from_numpy((shards.train.x.astype(np.float32) - 8) * np.float32(0.2))
    y = torch.from_numpy(shards.train.y[:, 0].astype(np.int64))
    for t, batch in enumerate(batches):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        assert losses[t] == pytest.approx(loss.item(), abs=1e-4, rel=1e-4)


def test_loss_curve_equals_the_recorded_one_of_pytorch(request):
    recorded = json.loads((request.path.parent / "pytorch_curve.json").read_text())
    np.testing.assert_allclose(curve()[0], recorded["losses"], rtol=1e-4, atol=1e-4)
