"""Forests trained from job files: accuracy beside scikit-learn's, scores, bad input."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris, make_regression
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.model_selection import RepeatedStratifiedKFold, train_test_split

import hpcfl
from hpcfl.data import h5
from hpcfl.errors import UsageError
from hpcfl.forest import binning
from hpcfl.inference import load_run


def write(path, x, y):
    h5.write_atomic(path, {"x": x, "y": y}, {"format": "hpcfl", "version": 1})


def train(folder, x, y, test_x, test_y, missing="error", **model):
    """Return (summary, outputs for the test rows) of a forest."""
    write(folder / "a.h5", x, y)
    write(folder / "b.h5", test_x, test_y)
    job = {
        "output": str(folder / f"run{len(list(folder.iterdir()))}"),
        "data": {"train": str(folder / "a.h5"), "test": str(folder / "b.h5"), "missing": missing},
        "model": {"name": "forest", **model},
        "train": {"mode": "forest"},
    }
    hpcfl.train(job)
    with open(job["output"] + "/summary.json") as file:
        summary = json.load(file)
    return summary, load_run(job["output"]).predict(test_x), job["output"]


@pytest.mark.parametrize(("load", "repeats"), [(load_digits, 1), (load_iris, 2)])
def test_cross_validated_accuracy_is_scikit_learns(tmp_path, load, repeats):
    x, y = load(return_X_y=True)
    ours, theirs = [], []
    for a, b in RepeatedStratifiedKFold(n_splits=5, n_repeats=repeats, random_state=0).split(x, y):
        summary, out, _ = train(tmp_path, x[a], y[a], x[b], y[b])
        ours.append((out.argmax(1) == y[b]).mean())
        assert summary["final"]["test"]["accuracy"] == pytest.approx(ours[-1])
        theirs.append(RandomForestClassifier(100, n_jobs=2, random_state=0).fit(x[a], y[a]).score(x[b], y[b]))
    assert np.mean(ours) > np.mean(theirs) - 0.01


def test_out_of_bag_score_and_importances_are_scikit_learns(tmp_path):
    x, y = load_digits(return_X_y=True)
    summary, _, run = train(tmp_path, x, y, x, y, oob=True)
    peer = RandomForestClassifier(100, oob_score=True, n_jobs=2, random_state=0).fit(x, y)
    assert summary["oob"] == pytest.approx(peer.oob_score_, abs=0.012)
    importance = h5.read(run + "/model.h5")[0]["importance"]
    assert np.corrcoef(importance, peer.feature_importances_)[0, 1] > 0.97
    assert np.abs(importance - peer.feature_importances_).max() < 0.01


def test_extra_trees_are_scikit_learns(tmp_path):
    x, y = load_digits(return_X_y=True)
    a, b, ya, yb = train_test_split(x, y, random_state=0, stratify=y)
    _, out, _ = train(tmp_path, a, ya, b, yb, random_thresholds=True, bootstrap=False)
    peer = ExtraTreesClassifier(100, n_jobs=2, random_state=0).fit(a, ya)
    assert (out.argmax(1) == yb).mean() > peer.score(b, yb) - 0.012


@pytest.fixture(scope="module")
def regression():
    x, y = make_regression(1500, 8, n_informative=5, noise=5, random_state=0)
    return train_test_split(x, y + 1000, random_state=0)


def r2(out, y):
    return 1 - ((out[:, 0] - y) ** 2).mean() / y.var()


def test_regression_is_scikit_learns(tmp_path, regression):
    a, b, ya, yb = regression
    summary, out, _ = train(tmp_path, a, ya, b, yb, oob=True)
    peer = RandomForestRegressor(100, random_state=0, oob_score=True).fit(a, ya)
    assert r2(out, yb) > peer.score(b, yb) - 0.02
    assert summary["oob"] == pytest.approx(peer.oob_score_, abs=0.03)


def test_boosting_is_scikit_learns(tmp_path, regression):
    a, b, ya, yb = regression
    _, out, _ = train(tmp_path, a, ya, b, yb, boosting=True, trees=60, max_depth=4, min_samples_leaf=20, l2=0.0)
    peer = HistGradientBoostingRegressor(max_iter=60, max_depth=4, early_stopping=False).fit(a, ya)
    assert r2(out, yb) > peer.score(b, yb) - 0.02


def test_logistic_boosting_gives_probabilities(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 5))
    chance = 1 / (1 + np.exp(-2 * x[:, 0]))
    y = (rng.random(3000) < chance).astype(int)
    _, out, run = train(
        tmp_path, x[:2000], y[:2000], x[2000:], y[2000:], boosting=True, trees=40, max_depth=3, permutations=2
    )
    np.testing.assert_allclose(out.sum(1), 1)
    assert np.abs(out[:, 1] - chance[2000:]).mean() < 0.08
    arrays, _ = h5.read(run + "/model.h5")
    assert arrays["importance"].argmax() == 0
    assert arrays["permutation_importance"][0] > 0.2 > 0.02 > np.abs(arrays["permutation_importance"][1:]).max()


def test_balanced_classes_are_scikit_learns(tmp_path):
    rng = np.random.default_rng(0)
    y = (rng.random(3000) < 0.05).astype(int)
    x = rng.normal(size=(3000, 4)) + y[:, None]
    for ours, theirs in (("one", None), ("balanced", "balanced")):
        _, out, _ = train(tmp_path, x, y, x, y, max_depth=3, trees=50, class_weight=ours)
        peer = RandomForestClassifier(50, max_depth=3, class_weight=theirs, random_state=0).fit(x, y)
        found, want = (((label == 1) & (y == 1)).sum() / y.sum() for label in (out.argmax(1), peer.predict(x)))
        assert found == pytest.approx(want, abs=0.1)
        assert (found > 0.6) == (ours == "balanced")


@pytest.mark.parametrize("how", ["rows", "federated"])
def test_federated_and_over_rows_alone_are_the_forest(tmp_path, how):
    x, y = load_iris(return_X_y=True)
    outs = [train(tmp_path, x, y, x, y, trees=10, distribute=d)[1] for d in ("trees", how)]
    assert (outs[1].argmax(1) == y).mean() > 0.97
    if how == "rows":
        np.testing.assert_array_equal(*outs)


@pytest.mark.parametrize("value", [{"trees": 0}, {"max_features": 1.5}, {"boosting": True, "distribute": "trees"}])
def test_refused(tmp_path, value):
    with pytest.raises(UsageError, match=next(iter(value)) if len(value) == 1 else "distribute"):
        train(tmp_path, np.zeros((4, 2)), np.arange(4) % 2, np.zeros((4, 2)), np.arange(4) % 2, **value)


def test_edges_of_few_and_many_values():
    few = binning.feature_edges(np.array([1, 2, 2, 5, np.nan], np.float32))
    assert few[:2].tolist() == [1.5, 3.5]
    assert np.isinf(few[2:]).all()
    values = np.random.default_rng(0).normal(size=20_000)
    many = binning.feature_edges(values)
    share = np.diff(np.searchsorted(np.sort(values), many)) / values.size
    assert share.max() < 0.006
    assert np.isinf(binning.feature_edges(np.full(5, np.nan))).all()
