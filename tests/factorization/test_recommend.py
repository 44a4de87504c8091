"""``hpcfl recommend``: the best unseen items, known and unknown users, plain errors."""

import numpy as np
import pytest

from hpcfl import config
from hpcfl.cli import main
from hpcfl.comm.communicator import world
from hpcfl.data import h5, samples
from hpcfl.errors import DataError, UsageError
from hpcfl.factorization.recommend import recommend
from hpcfl.trainers.run import records


def train(folder, **model):
    job = {
        "output": str(folder),
        "data": {"train": "sample:ratings", "test": "none"},
        "model": {"rank": 4, **model},
        "train": {"mode": "factorization", "iterations": 3},
    }
    for _ in records(config.load(job), world(), True):
        pass
    return str(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(tmp_path_factory.mktemp("recommend") / "als", name="als")


def test_best_unseen_items_of_a_known_user(run):
    model, attrs = h5.read(f"{run}/model.h5")
    data, _ = h5.read(samples.path("ratings"))
    row = model["users"][6]
    scores = attrs["mean"] + row[-1] + model["items"][:, -1] + model["items"][:, :-1] @ row[:-1]
    seen = data["item"][data["user"] == 6]
    scores[seen] = -np.inf
    best = np.argsort(-scores)[:5]
    found = recommend(run, "7", 5)
    assert found.items.tolist() == [f"i{i:03d}" for i in best]
    np.testing.assert_allclose(found.scores, scores[best], rtol=1e-5)
    assert (found.seen, found.note) == (len(seen), "")


def test_an_unknown_user_gets_the_items_of_highest_bias(run):
    model, attrs = h5.read(f"{run}/model.h5")
    found = recommend(run, "nobody", 3)
    best = np.argsort(-model["items"][:, -1])[:3]
    assert found.items.tolist() == [f"i{i:03d}" for i in best]
    np.testing.assert_allclose(found.scores, attrs["mean"] + model["items"][best, -1], rtol=1e-5)
    assert "no training ratings" in found.note


def test_a_federated_user_is_solved_for_from_its_own_ratings(tmp_path):
    run = train(tmp_path / "federated", name="federated_mf")
    assert "users" not in h5.read(f"{run}/model.h5")[0]
    mine, other = recommend(run, "7", 10), recommend(run, "8", 10)
    assert mine.items.tolist() != other.items.tolist()
    assert mine.note == ""


def test_command_line(run, capsys):
    assert main.main(["recommend", run, "--user", "7", "--top", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["item", "score"]
    assert [line.split()[0] for line in lines[1:5]] == recommend(run, "7", 4).items.tolist()
    assert main.main(["recommend", run, "--user", "7", "--top", "0"]) == 2
    assert main.main(["recommend", "nowhere", "--user", "7"]) == 2
    assert "nowhere has no model.h5" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"rank": 0}, "rank = 0"),
        ({"regularization": 0.0}, "regularization = 0.0"),
        ({"solver": "cg"}, "solver = 'cg'"),
        ({"implicit": True, "alpha": -1.0}, "alpha = -1.0"),
        ({"rnak": 3}, "did you mean 'rank'"),
    ],
)
def test_job_files_that_cannot_be(model, message):
    with pytest.raises(UsageError, match=message):
        config.load({"model": {"name": "als", **model}, "train": {"mode": "factorization"}})


def test_other_models_do_not_factorize(tmp_path):
    job = config.load({"output": str(tmp_path / "x"), "train": {"mode": "factorization"}})
    with pytest.raises(UsageError, match="factorizes nothing"):
        next(records(job, world()))


def test_negative_implicit_ratings_are_refused(tmp_path):
    data = {"user": np.array([0, 1]), "item": np.array([0, 1]), "rating": np.array([1, -1], np.float32)}
    h5.write_atomic(tmp_path / "r.h5", data, {"format": "hpcfl", "version": 1, "task": "ratings"})
    job = {
        "output": str(tmp_path / "x"),
        "data": {"train": str(tmp_path / "r.h5"), "test": "none"},
        "model": {"name": "als", "implicit": True},
        "train": {"mode": "factorization"},
    }
    with pytest.raises(DataError, match="a rating is negative"):
        next(records(config.load(job), world()))
