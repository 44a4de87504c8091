"""Aggregators: known answers, breakdown, and what does not go together."""

import numpy as np
import pytest

from hpcfl import config, registry
from hpcfl.errors import UsageError

NINE = np.arange(1.0, 10).reshape(3, 3)
FIVE = np.array([[0, 0, 0], [1, 1, 1], [2, 2, 2], [1, 1, 2], [9, 9, 9]], float)
ROBUST = [n for n in registry.names("aggregators") if n != "mean"]


def squares(x):
    return np.square(x).sum(1)


def combine(name, v, weights=None, last=None, **keys):
    weights = np.ones(len(v)) if weights is None else weights
    last = np.zeros(v.shape[1]) if last is None else last
    return registry.load("aggregators", name)(**keys).combine(v, weights, last, squares)


@pytest.mark.parametrize("name", ["median", "trimmed_mean", "geometric_median"])
def test_middle_of_three(name):
    np.testing.assert_allclose(combine(name, NINE), [4, 5, 6], atol=1e-6)


def test_krum_takes_the_most_central():
    assert combine("krum", FIVE).tolist() == [1, 1, 2]


def test_multi_krum_leaves_out_the_far_one():
    np.testing.assert_allclose(combine("multi_krum", FIVE), FIVE[:4].mean(0))


def test_norm_filter_leaves_out_the_long_one():
    np.testing.assert_allclose(combine("norm_filter", FIVE), FIVE[:4].mean(0))


def test_geometric_median_has_no_pull_left():
    v = np.random.default_rng(0).standard_normal((9, 4))
    weights = np.arange(1.0, 10)
    center = combine("geometric_median", v, weights)
    gap = v - center
    pull = (weights[:, None] * gap / np.linalg.norm(gap, axis=1, keepdims=True)).sum(0)
    assert np.abs(pull).max() < 1e-5
    assert np.abs(center - v.mean(0)).max() > 0.01


@pytest.mark.parametrize("name", ROBUST)
def test_bad_updates_move_it_little(name):
    good = np.random.default_rng(1).standard_normal((11, 20)) * 0.1 + 1
    bad = np.vstack([good, np.full((3, 20), -50.0)])
    keys = (
        {"byzantine": 3 if name != "bulyan" else 2} if hasattr(registry.load("aggregators", name), "byzantine") else {}
    )
    assert np.abs(combine(name, bad[: 14 if name != "bulyan" else 13], last=np.ones(20), **keys) - 1).max() < 0.5
    assert np.abs(bad.mean(0) - 1).min() > 5


@pytest.mark.parametrize("name", ROBUST)
def test_order_is_nothing(name):
    v = np.random.default_rng(2).standard_normal((7, 5))
    turned = np.random.default_rng(3).permutation(7)
    np.testing.assert_allclose(combine(name, v), combine(name, v[turned]), atol=1e-9)


def test_bulyan_averages_the_middle_of_what_krum_takes():
    v = np.array([[0.0], [1], [2], [3], [4], [5], [1000]])
    # Krum leaves out 1000 and then an end; 3 of the 5 that are left lie nearest to their median.
    assert combine("bulyan", v)[0] in (2.0, 3.0)
    np.testing.assert_allclose(combine("bulyan", NINE, byzantine=0), [4, 5, 6])


def test_centered_clipping_steps_no_longer_than_its_radius():
    v = np.array([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    np.testing.assert_allclose(combine("centered_clipping", v, radius=1.0), [(0.6 + 0.3) / 3, (0.8 + 0.4) / 3])
    center = combine("centered_clipping", v, last=np.array([3.0, 4.0]), radius=1.0)
    np.testing.assert_allclose(center, [3 - 1.2 / 3, 4 - 1.6 / 3])


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"aggregator": {"name": "krum", "byzantine": 4}}, "'krum': 11 or more clients a round are needed"),
        ({"aggregator": "krum", "strategy": "scaffold"}, "aggregator = 'krum': strategy 'scaffold' also sends 'dc'"),
        ({"aggregator": {"name": "trimmed_mean", "byzantine": -1}}, "byzantine = -1"),
        ({"aggregator": {"name": "bulyan", "byzantine": 2}}, "'bulyan': 11 or more clients a round are needed"),
        ({"aggregator": "median", "clients_per_round": 2}, "'median': 3 or more clients a round are needed"),
        (
            {"compressor": "top_k"},
            "compressor = 'top_k': what it leaves out.* set error_feedback = true, or use one of",
        ),
        ({"compressor": "random_k", "error_feedback": True}, "error_feedback = true: compressor 'random_k'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(table, words):
    with pytest.raises(UsageError, match=words):
        config.load({"train": {"mode": "federated"}, "federated": table})


def test_scaffold_refuses_adam():
    job = {"train": {"mode": "federated"}, "optimizer": {"name": "adam"}, "federated": {"strategy": "scaffold"}}
    with pytest.raises(UsageError, match=r"optimizer.name = 'adam': strategy 'scaffold' is valid for linear"):
        config.load(job)
