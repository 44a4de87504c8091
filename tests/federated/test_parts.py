"""Partitions, samplers, dealing, fixed point: each against its definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcfl import config, registry
from hpcfl.data.csr import CSR
from hpcfl.errors import UsageError
from hpcfl.federated import fixed
from hpcfl.federated.cohort import deal
from hpcfl.federated.population import runs
from tests.reference import federated as slow

LABEL = np.arange(600) % 10


def owners(name, clients=12, label=LABEL, seed=0, **keys):
    rule = registry.load("partitions", name)(**keys)
    data = {"client": np.arange(label.size) * 3 // max(label.size, 1), "x": features(label.size)}
    return rule.deal(label, clients, np.random.default_rng(seed), data.__getitem__)


def features(n):
    x = np.random.default_rng(5).standard_normal((n, 4))
    x[:, 2] *= 5
    return x


KINDS = [
    ("iid", {}),
    ("noise", {}),
    ("shards", {"per_client": 3}),
    ("quantity", {"sigma": 2.0}),
    ("dirichlet", {"alpha": 0.5}),
    ("dirichlet", {"alpha": 0.01, "sizes": "equal"}),
    ("feature", {}),
    ("feature", {"feature": 1, "per_client": 2}),
]


@pytest.mark.parametrize(("name", "keys"), KINDS)
@settings(max_examples=25, deadline=None)
@given(clients=st.integers(1, 20), n=st.integers(1, 400), classes=st.integers(1, 9), least=st.integers(0, 6))
def test_every_row_is_dealt_once_and_min_rows_holds_or_is_refused(name, keys, clients, n, classes, least):
    label = np.arange(n) % classes
    try:
        client = owners(name, clients, label, n, min_rows=least, **keys)
    except ValueError as error:
        assert "min_rows" in str(error) or "per_client" in str(error)  # noqa: PT017
        assert least * clients > n / 3 or name == "dirichlet" or n < 3 * clients
        return
    assert client.shape == (n,)
    sizes = np.bincount(client, minlength=clients)
    assert sizes.size == clients
    assert sizes.min() >= least
    assert keys.get("sizes") != "equal" or np.ptp(sizes) <= 1
    assert (client == owners(name, clients, label, n, min_rows=least, **keys)).all()


def test_every_partition_is_among_them():
    assert {name for name, _ in KINDS} | {"column"} == set(registry.names("partitions"))


def test_equal_sizes_are_as_skewed_as_alpha_says():
    def classes(alpha):
        client = owners("dirichlet", alpha=alpha, sizes="equal")
        return np.mean([len(set(LABEL[client == c])) for c in range(12)])

    assert classes(0.01) < 3
    assert classes(1000.0) > 9


def test_feature_skew_ranks_the_rows():
    x = features(600)
    for keys, value in [({"feature": 1}, x[:, 1]), ({}, x[:, 2])]:
        client = owners("feature", **keys)
        means = np.array([value[client == c].mean() for c in range(12)])
        assert (np.diff(means) > 0).all() or (np.diff(means) < 0).all()
    with pytest.raises(ValueError, match="feature = 9"):
        owners("feature", feature=9)


def test_noise_grows_with_the_client():
    x, client = np.zeros((6000, 4), np.float32), np.arange(6000) % 3
    rule = registry.load("partitions", "noise")(level=0.3)
    rule.disturb(x, client, 3, np.random.default_rng(0))
    np.testing.assert_allclose([x[client == c].var() for c in range(3)], [0.1, 0.2, 0.3], rtol=0.1)
    with pytest.raises(ValueError, match="uint8"):
        rule.disturb(np.zeros((2, 2), np.uint8), client[:2], 3, np.random.default_rng(0))
    with pytest.raises(ValueError, match="CSR rows hold no noise"):
        rule.disturb(CSR(*np.zeros((3, 2))), client[:2], 3, np.random.default_rng(0))


def test_iid_is_even_and_mixed():
    client = owners("iid", 7)
    assert np.ptp(np.bincount(client)) <= 1
    assert min(len(set(LABEL[client == c])) for c in range(7)) == 10


def test_dirichlet_skew_follows_alpha_and_min_rows_holds():
    def spread(alpha):
        client = owners("dirichlet", alpha=alpha, min_rows=5)
        table = np.array([np.bincount(LABEL[client == c], minlength=10) for c in range(12)])
        assert table.sum(1).min() >= 5
        return (table / table.sum(1, keepdims=True)).max(1).mean()

    assert spread(0.1) > 0.5 > 0.2 > spread(1000.0)


def test_dirichlet_refuses_what_cannot_be():
    with pytest.raises(ValueError, match="min_rows = 60"):
        owners("dirichlet", min_rows=60)


def test_two_shards_hold_at_most_three_classes():
    client = owners("shards", 10)
    assert max(len(set(LABEL[client == c])) for c in range(10)) <= 3
    assert set(np.bincount(client)) == {60}


def test_quantity_is_uneven():
    sizes = np.bincount(owners("quantity", sigma=1.5, min_rows=3))
    assert sizes.min() >= 3
    assert sizes.max() > 3 * np.median(sizes)


def test_column_follows_the_data():
    assert (owners("column") == np.repeat([0, 1, 2], 200)).all()
    with pytest.raises(ValueError, match="min_rows = 201: of 600 rows for 3 clients, client 0 would get 200"):
        owners("column", min_rows=201)


@pytest.mark.parametrize("name", registry.names("samplers"))
def test_samplers_draw_distinct_clients(name):
    rows = np.arange(1, 41)
    for r in range(8):
        picked = registry.load("samplers", name)().draw(rows, 8, r, np.random.default_rng(r))
        assert (np.diff(picked) > 0).all()
        assert name == "poisson" or picked.size == (20 if name == "power_of_choice" else 8)
        assert name != "cyclic" or set(picked // 10) == {r % 4}


def test_weighted_prefers_the_larger():
    sampler, rows = registry.load("samplers", "weighted")(), np.array([1] * 20 + [50] * 20)
    drawn = np.concatenate([sampler.draw(rows, 5, r, np.random.default_rng(r)) for r in range(40)])
    assert (drawn >= 20).mean() > 0.9


def test_power_of_choice_takes_the_largest_losses():
    sampler = registry.load("samplers", "power_of_choice")(candidates=5)
    assert sampler.narrow(np.array([1.0, 5.0, np.nan, 3.0, 5.0, 2.0]), 3).tolist() == [1, 3, 4]
    with pytest.raises(UsageError, match=r"federated\.sampler\.candidates = 4: clients_per_round = 10 are chosen"):
        config.load({"federated": {"sampler": {"name": "power_of_choice", "candidates": 4}}})


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 30), st.integers(1, 4), st.integers(0, 9))
def test_dealing_covers_the_cohort_and_balances(m, ranks, seed):
    rng = np.random.default_rng(seed)
    cost = rng.integers(1, 50, m).astype(float)
    places = deal(np.arange(m), cost, np.zeros(m, int), np.zeros(ranks, int))
    assert sorted(np.concatenate(places)) == list(range(m))
    loads = [cost[p].sum() for p in places]
    assert max(loads) - min(loads) <= cost.max()


def test_owned_clients_stay_where_they_are():
    places = deal(np.array([4, 5, 6]), np.ones(3), np.array([1, 1, 0]), np.arange(2))
    assert [p.tolist() for p in places] == [[2], [0, 1]]


@given(st.lists(st.integers(1, 100), min_size=4, max_size=12), st.integers(1, 4))
def test_silos_are_cut_into_runs_none_empty(sizes, ranks):
    cuts = runs(np.array(sizes), ranks)
    assert cuts[0] == 0
    assert cuts[-1] == len(sizes)
    assert (np.diff(cuts) > 0).all()


def test_fixed_point_equals_its_twin_and_knows_no_order():
    rng = np.random.default_rng(0)
    v, weights = rng.standard_normal((9, 33)).astype(np.float32), rng.integers(0, 90, 9).astype(float)
    v[weights == 0] = np.nan
    factor = fixed.scale(weights.sum(), 64.0)
    total, turned = np.zeros(33, np.int64), np.zeros(33, np.int64)
    fixed.add(v, weights, factor, total)
    fixed.add(v[::-1], weights[::-1].copy(), factor, turned)
    assert (total == slow.fixed_sum(v, weights, factor)).all()
    assert (total == turned).all()
    exact = (np.nan_to_num(v.astype(float)) * weights[:, None]).sum(0)
    assert np.abs(total / factor - exact).max() < 1e-10


def test_fixed_point_rounds_to_the_nearest_and_to_the_even_of_two():
    near = np.arange(-40, 41) / 4
    x = np.concatenate([near, near + 2.0**50, -(2.0**51) + near, 2.0**52 + near, near * 2.0**58])
    total = np.zeros(x.size, np.int64)
    fixed.add(x[None], np.ones(1), 1.0, total)
    assert (total == np.rint(x).astype(np.int64)).all()


def test_fixed_point_mean_is_exact_at_2_to_the_27_rows():
    weights = np.full(64, 2.0**21)
    v = np.random.default_rng(1).standard_normal((64, 50)).astype(np.float32)
    factor, total = fixed.scale(weights.sum(), 64.0), np.zeros(50, np.int64)
    fixed.add(v, weights, factor, total)
    mean = v.astype(float).mean(0)
    assert np.abs(total / factor / weights.sum() - mean).max() < 1e-7 * np.sqrt((mean**2).mean())


def test_no_sum_within_the_bound_overflows():
    weights, total = np.full(8, 1000.0), np.zeros(2, np.int64)
    factor = fixed.scale(weights.sum(), 64.0)
    fixed.add(np.full((8, 2), 64.0), weights, factor, total)
    assert (total / factor == 64.0 * 8000).all()


def test_bound_and_nan_are_found():
    v = np.zeros((4, 3), np.float32)
    v[1, 2], v[2, 0], v[3, 1] = np.nan, -65, np.inf
    assert fixed.within([v, np.zeros((4, 1))], 64.0).tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"partition": {"name": "dirichlet", "alpha": 0.0}}, "federated.partition.alpha = 0.0"),
        ({"clients_per_round": 0}, "federated.clients_per_round = 0"),
        ({"strategy": "fedavgg"}, "did you mean 'fedavg'"),
        ({"partition": {"name": "dirichlet", "alhpa": 1.0}}, "did you mean 'alpha'"),
        ({"fraction": 1.5}, "fraction = 1.5"),
        ({"strategy": {"name": "fedavg", "mu": 1.0}}, "unknown key federated.strategy.mu; there are none"),
        (
            {"aggregator": {"name": "krum", "byzantine": 4}},
            "11 or more clients a round are needed, clients_per_round is 10; raise it or lower aggregator.byzantine",
        ),
    ],
)
def test_bad_jobs_are_refused_by_name(table, words):
    with pytest.raises(UsageError, match=words):
        config.load({"train": {"mode": "federated"}, "federated": table})


def test_the_server_has_learning_rate_1_unless_set():
    assert config.load({"federated": {}}).federated.server.learning_rate == 1.0
    assert config.load({"federated": {"server": "fedadam"}}).federated.server.learning_rate == 0.1
