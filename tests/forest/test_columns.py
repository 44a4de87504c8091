"""Missing values, categories, and columns and targets that are odd, from CSV to prediction."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

import hpcfl
from hpcfl.data import h5
from hpcfl.data.convert import Options, convert
from hpcfl.errors import DataError, UsageError
from hpcfl.inference import load_run, open_for, read_features
from tests.forest.test_train import train, write

TOWNS = [f"town{i}" for i in range(30)]


def csv(path, n, seed, towns=TOWNS):
    """Write rows whose class depends on a set of towns and on whether a size is missing; return the classes."""
    rng = np.random.default_rng(seed)
    town, size = rng.choice(towns, n), rng.normal(size=n).round(3).astype(str)
    size[rng.random(n) < 0.4] = "NA"
    inside = np.isin(town, TOWNS[::2]) ^ (size == "NA")
    lines = [f"{a},{b},{'yes' if c else 'no'}" for a, b, c in zip(town, size, inside, strict=True)]
    path.write_text("town,size,label\n" + "\n".join(lines) + "\n")
    return inside.astype(int)


def test_categories_and_missing_values_from_csv_to_prediction(tmp_path):
    csv(tmp_path / "a.csv", 600, 0)
    truth = csv(tmp_path / "b.csv", 200, 1, [*TOWNS[10:], "village"])
    for name in "ab":
        convert(tmp_path / f"{name}.csv", tmp_path / f"{name}.h5", Options(missing="nan", categories="codes"))
    arrays, _ = h5.read(tmp_path / "a.h5")
    assert arrays["x"].shape == (600, 2)
    data = {"train": str(tmp_path / "a.h5"), "test": str(tmp_path / "b.h5"), "missing": "keep"}
    job = {
        "output": str(tmp_path / "run"),
        "data": data,
        "model": {"name": "forest", "trees": 20, "max_features": "all"},
        "train": {"mode": "forest"},
    }
    final = hpcfl.train(job)["test"]["accuracy"]
    model = load_run(job["output"])
    # The other file numbers its towns otherwise, and has one more.
    table = open_for(model, str(tmp_path / "b.h5"))
    out = model.predict(read_features(model, table, 0, table.rows))
    known = np.array(["village" not in line for line in (tmp_path / "b.csv").read_text().splitlines()[1:]])
    assert ((out.argmax(1) == truth)[known]).mean() > 0.97
    assert final == pytest.approx((out.argmax(1) == truth).mean())
    assert "town in {" in text_of(job["output"])


def text_of(run):
    from hpcfl.forest.export import Export
    from hpcfl.inference import read_model

    return "\n".join(Export.of(*read_model(run)).text())


def test_codes_are_refused_where_they_would_be_numbers(tmp_path):
    csv(tmp_path / "a.csv", 50, 0)
    convert(tmp_path / "a.csv", tmp_path / "a.h5", Options(missing="nan", categories="codes"))
    with pytest.raises(DataError, match="'town' holds category codes"):
        hpcfl.train({"output": str(tmp_path / "r"), "data": {"train": str(tmp_path / "a.h5")}})
    with pytest.raises(UsageError, match="missing = 'keep'"):
        hpcfl.train({"output": str(tmp_path / "r"), "data": {"missing": "keep"}})


def test_missing_values_go_where_scikit_learn_sends_them(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 4))
    y = (x[:, 0] > 0.3).astype(int)
    x[rng.random(2000) < 0.5 * (1 - y), 0] = np.nan  # missing tells the class
    x[:, 3] = np.nan  # a column that is missing altogether
    keys = {"boosting": True, "trees": 30, "max_depth": 3, "min_samples_leaf": 20, "l2": 0.0, "missing": "keep"}
    _, out, _ = train(tmp_path, x[:1000], y[:1000], x[1000:], y[1000:], **keys)
    peer = HistGradientBoostingClassifier(max_iter=30, max_depth=3, early_stopping=False).fit(x[:1000, :3], y[:1000])
    ours = (out.argmax(1) == y[1000:]).mean()
    assert ours > peer.score(x[1000:, :3], y[1000:]) - 0.01
    assert ours > 0.98


def test_columns_without_news_are_never_split(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4)).astype(np.float32)
    x[:, 1], x[:, 2] = 3.5, np.nan
    y = (x[:, 0] > 0).astype(int)
    summary, _, run = train(tmp_path, x, y, x, y, trees=10, max_features=1, missing="keep")
    used = set(h5.read(run + "/model.h5")[0]["node"][:, 0])
    assert used == {-1, 0, 3}
    assert summary["final"]["test"]["accuracy"] == 1


@pytest.mark.parametrize(
    ("y", "says"), [([0.5, 1, 1, 0], "'y' is 0.5; labels are whole numbers"), ([0, 0, 0, 0], "one class")]
)
def test_odd_targets_are_one_line(tmp_path, y, says):
    write(tmp_path / "a.h5", np.eye(4), np.array(y))
    job = {
        "output": str(tmp_path / "run"),
        "data": {"train": str(tmp_path / "a.h5"), "test": "none", "task": "classification"},
        "model": {"name": "forest"},
        "train": {"mode": "forest"},
    }
    with pytest.raises(DataError, match=says):
        hpcfl.train(job)
