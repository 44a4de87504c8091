"""Generated samples: their definitions, their seeds, and that they train."""

from itertools import pairwise

import h5py
import numpy as np
import pytest

from hpcfl.data import samples
from hpcfl.data.samples import fcube, hybrid, synthetic
from hpcfl.data.table import open_table
from hpcfl.errors import DataError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def rng(seed=0):
    return np.random.default_rng(seed)


def test_synthetic_follows_its_laws():
    sizes, centers, spreads, firsts = [], [], [], []
    for seed in range(12):
        made = synthetic.rows(rng(seed), 1.0, 2.0)
        for k in range(30):
            x = made["x"][made["client"] == k]
            sizes.append(len(x))
            centers.append(x.mean())
            spreads.append(x.var(axis=0))
            firsts.append(x[:, 0].std())
    assert min(sizes) >= 50
    assert np.log(np.array(sizes) - 49.5).mean() == pytest.approx(4, abs=0.4)
    assert np.log(np.array(sizes) - 49.5).std() == pytest.approx(2, abs=0.3)
    assert np.std(centers) == pytest.approx(2, abs=0.25)  # B_k, to which the mean of 60 features comes close
    want = np.arange(1.0, 61) ** -1.2
    np.testing.assert_allclose(np.mean(spreads, axis=0), want, rtol=0.05)


def test_labels_are_a_linear_model_of_each_device():
    from sklearn.linear_model import LogisticRegression

    made = synthetic.rows(rng(1), 0.0, 0.0)
    few = [made["client"] == k for k in range(3)]
    fit = LogisticRegression(C=1e4, max_iter=3000).fit
    own = [fit(made["x"][m], made["y"][m]).score(made["x"][m], made["y"][m]) for m in few]
    assert min(own) > 0.99
    # One model's rows are no good to another's: the labels of a device seen by its neighbour's model.
    other = [fit(made["x"][a], made["y"][a]).score(made["x"][b], made["y"][b]) for a, b in pairwise(few)]
    assert np.mean(other) < 0.5


def test_hybrid_has_a_half_that_is_alike():
    made = hybrid.rows(rng())
    sizes = np.bincount(made["client"])
    assert sizes.size == 100
    assert np.log(sizes - 49.5).std() == pytest.approx(1, abs=0.25)
    centers = np.array([made["x"][made["client"] == k].mean() for k in range(100)])
    assert np.abs(centers[:50]).max() < 0.1
    assert np.abs(centers[50:]).mean() > 0.3


@pytest.mark.parametrize("maker", [lambda: synthetic.rows(rng(2), 1.0, 1.0), lambda: hybrid.rows(rng(2))])
def test_a_tenth_of_each_device_is_its_test_set(maker):
    made = maker()
    for k in np.unique(made["client"]):
        mine = made["test"][made["client"] == k]
        assert mine.sum() == mine.size - int(0.9 * mine.size)


def test_fcube_gives_each_client_two_opposite_octants():
    made = fcube.rows(rng())
    x, client = made["x"], made["client"]
    assert np.bincount(client[~made["test"]]).tolist() == [1000] * 4
    assert (made["y"] == (x[:, 0] < 0)).all()
    octants = [{tuple(row) for row in np.sign(x[client == k])} for k in range(4)]
    assert all(len(o) == 2 and (np.sum(list(o), axis=0) == 0).all() for o in octants)
    assert len(set.union(*octants)) == 8


def test_names_give_seeds_and_splits(tmp_path):
    whole, train, test = (samples.path(f"synthetic(1,1){part}") for part in ("", "/train", "/test"))
    with h5py.File(whole) as a, h5py.File(train) as b, h5py.File(test) as c:
        assert len(a["y"]) == len(b["y"]) + len(c["y"])
        for name in ("x", "y", "client"):
            mixed = np.concatenate([b[name][()], c[name][()]])
            order = np.argsort(np.concatenate([b["client"][()], c["client"][()]]), kind="stable")
            assert (mixed[order] == a[name][()]).all()
    first = whole.read_bytes()
    whole.unlink()
    assert samples.path("synthetic(1,1)").read_bytes() == first
    assert samples.path("synthetic(alpha=1,beta=1,seed=0)") == whole
    other = samples.path("synthetic(1,1,seed=1)")
    assert other != whole
    assert other.read_bytes() != first
    assert open_table("sample:fcube").rows == 5000
    assert len(list(whole.parent.iterdir())) == 5  # nothing half written is left


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("synthetik(1,1)", "did you mean 'synthetic'"),
        ("synthetic", r"write sample:synthetic\(alpha,beta,seed=0\)"),
        ("synthetic(1)", "takes other numbers"),
        ("synthetic(1,1,2)", "takes other numbers"),
        ("synthetic(1,one)", "'one' is no number"),
        ("fcube/tset", "cannot be read"),
        ("fcube(seed=0.5)", "takes other numbers"),
    ],
)
def test_wrong_names_are_explained(name, words):
    with pytest.raises(DataError, match=words):
        samples.path(name)
