"""Kernels of the forest against their slow twins."""

import numpy as np
import pytest

from hpcfl.kernels import forest_count, forest_grow, forest_predict, forest_rows
from hpcfl.kernels.forest_rule import Nodes, Rule, bench
from tests.reference import forest as slow

NOTHING = -np.inf


def rows(n=400, d=5, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 12, (n, d)).astype(np.uint8)
    codes[rng.random((n, d)) < 0.1] = slow.MISSING
    codes[:, 3] = 7  # constant
    return np.asfortranarray(codes), rng


def stats_of(kind, codes, rng):
    """Return (stats, g (n, k), h) of targets that depend on the features."""
    n = len(codes)
    signal = codes[:, 0].astype(int) + 3 * (codes[:, 1] == slow.MISSING) + rng.integers(0, 4, n)
    h = rng.integers(1, 4, n)
    if kind == 1:
        g = (signal - 8) * h
        return (g << 30) + h, g[:, None], h, 30
    label = signal % 2 if kind == 2 else np.clip(signal // 4, 0, kind - 1)
    if kind == 2:
        return (label * h << 32) + h, (label * h)[:, None], h, 32
    return (label << 32) + h, (label[:, None] == np.arange(kind)) * h[:, None], h, 32


def grown(kind, codes, stats, shift, features, depth=-1, leaf=1.0, categorical=(), random=0):
    return grown_sets(kind, codes, stats, shift, features, depth, leaf, categorical, random)[:3]


def grown_sets(kind, codes, stats, shift, features, depth=-1, leaf=1.0, categorical=(), random=0):
    n = len(codes)
    kinds = np.isin(np.arange(codes.shape[1]), categorical).astype(np.uint8)
    sets = np.empty((2 * n, 4 if categorical else 0), np.uint64)
    out = Nodes(
        np.empty((2 * n, 3), np.int32), np.empty(2 * n, np.float32), np.empty((2 * n, kind if kind > 2 else 1)), sets
    )
    spec = np.array([kind, shift, depth, features, random], np.int64)
    limits = np.array([0.0, -1.0 if kind > 1 else 1e-10, NOTHING, leaf, 0.0])
    order = np.arange(n, dtype=np.int32)
    size = forest_grow.grow(codes, order, stats.copy(), np.uint64(5), Rule(kinds, spec, limits), out)
    return tuple(field[:size] for field in out)


def arrived(node, sets, codes):
    """Return the leaf of each row."""
    packed = np.empty(len(node), np.uint64)
    forest_predict.pack(node, np.array([0, len(node)]), packed)
    leaf = np.empty(len(codes), np.uint32)
    everyone = np.arange(len(codes), dtype=np.uint32)
    forest_predict.leaves(packed, sets, np.ascontiguousarray(codes), everyone, leaf)
    return leaf


@pytest.mark.parametrize("kind", [1, 2, 4])
@pytest.mark.parametrize("n", [3, 40, 400])
def test_every_split_is_the_best_one(kind, n):
    codes, rng = rows(n, seed=n)
    stats, g, h, shift = stats_of(kind, codes, rng)
    node, gain, value = grown(kind, codes, stats, shift, codes.shape[1], depth=4)
    assert len(node) > (1 if n < 40 else 10)
    todo = [(0, np.arange(n))]
    while todo:
        at, inside = todo.pop()
        np.testing.assert_allclose(value[at], g[inside].sum(0) / h[inside].sum())
        if node[at, 0] < 0:
            continue
        best, feature, rule = slow.best_split(codes[inside], g[inside], h[inside], list(range(5)))
        assert (node[at, 0], node[at, 1]) == (feature, rule)
        np.testing.assert_allclose(gain[at], best - slow.score(g[inside], h[inside], 0), rtol=1e-6, atol=1e-6)
        side = slow.left(codes[inside, feature], rule)
        todo += [(node[at, 2], inside[side]), (node[at, 2] + 1, inside[~side])]


@pytest.mark.parametrize("kind", [2, 4])
def test_a_full_tree_is_pure_where_rows_differ(kind):
    codes, rng = rows()
    stats, g, h, shift = stats_of(kind, codes, rng)
    node, _, value = grown(kind, codes, stats, shift, 2)
    out = slow.predict(node, value, codes)
    same = {}
    for row, target, weight in zip(codes, g, h, strict=True):
        total, heavy = same.get(row.tobytes(), (0, 0))
        same[row.tobytes()] = (total + target, heavy + weight)
    want = np.array([same[row.tobytes()][0] / same[row.tobytes()][1] for row in codes])
    np.testing.assert_allclose(out, want)


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("n", [1, forest_count.FEW - 1, forest_count.FEW, 1000])
def test_a_histogram_and_its_bins_match_their_twins(n, width):
    rng = np.random.default_rng(n)
    codes, label, weight = rng.choice([0, 3, 64, 65, 200, 255], (n, 2)).astype(np.uint8), rng.integers(0, width, n), 5
    order, work = rng.permutation(n).astype(np.int32), bench(width)
    stats = (label << 32 if width > 1 else 0 * label) + weight
    m = forest_count.count(np.asfortranarray(codes), 1, order, stats, width, work)
    np.testing.assert_array_equal(work.bins[:m], np.unique(codes[:, 1]))
    want = np.bincount(codes[order, 1].astype(int) * width + label, minlength=256 * width) * weight
    np.testing.assert_array_equal(work.hist, want)
    forest_count.clear(m, width, work)
    assert not work.hist.any()


def test_order_of_rows_is_free():
    codes, rng = rows()
    stats, _, _, shift = stats_of(4, codes, rng)
    mix = rng.permutation(len(codes))
    for a, b in zip(
        grown(4, codes, stats, shift, 2), grown(4, np.asfortranarray(codes[mix]), stats[mix], shift, 2), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_constant_features_and_targets_are_never_split():
    codes, rng = rows()
    stats, _, _, shift = stats_of(4, codes, rng)
    assert 3 not in grown(4, codes, stats, shift, 1)[0][:, 0]
    h = rng.integers(1, 4, len(codes))
    assert len(grown(1, codes, (7 * h << 30) + h, 30, 5)[0]) == 1
    assert len(grown(2, codes, (h << 32) + h, 32, 5)[0]) == 1
    same = np.asfortranarray(np.full_like(codes, 9))
    assert len(grown(4, same, stats, shift, 5)[0]) == 1


def test_leaves_keep_their_least_weight():
    codes, rng = rows()
    stats, _, h, shift = stats_of(2, codes, rng)
    node, _, value = grown(2, codes, stats, shift, 5, leaf=30.0)
    leaf = arrived(node, np.empty((len(node), 0), np.uint64), codes)
    assert np.bincount(leaf, h)[np.unique(leaf)].min() >= 30
    assert len(np.unique(leaf)) > 3
    np.testing.assert_allclose(value[leaf], slow.predict(node, value, codes))


@pytest.mark.parametrize("kind", [1, 2])
def test_a_set_of_categories_is_the_best_of_all_sets(kind):
    codes, rng = rows(200)
    codes[:, 1] = rng.choice([0, 3, 5, 64, 200, 254, 255], 200)
    g = rng.integers(0, 2, 200) if kind == 2 else rng.integers(-9, 9, 200)
    g += (codes[:, 1] % 2) * (1 - g if kind == 2 else 5)
    h = np.ones(200, int)
    only = np.asfortranarray(codes[:, 1:2])
    shift = 32 if kind == 2 else 30
    node, gain, _, sets = grown_sets(kind, only, (g << shift) + h, shift, 1, depth=1, categorical=(0,))
    assert node[0, 1] == 512
    best = slow.best_set(only[:, 0], g, h) - slow.score(g[:, None], h, 0)
    np.testing.assert_allclose(gain[0], best, rtol=1e-6)
    side = slow.in_set(only[:, 0], sets[0])
    assert 0 < side.sum() < 200
    np.testing.assert_array_equal(arrived(node, sets, only), np.where(side, 1, 2))


@pytest.mark.parametrize("random", [0, 1])
def test_categories_separate_what_no_threshold_does(random):
    codes, rng = rows()
    codes[:, 2] = rng.integers(0, 40, len(codes))
    label = np.isin(codes[:, 2], rng.permutation(40)[:20]) + 2 * (codes[:, 0] > 5)
    only = np.asfortranarray(codes[:, [2, 0]])
    sizes = [len(grown_sets(4, only, (label << 32) + 1, 32, 2, categorical=c, random=random)[0]) for c in ((), (0,))]
    assert sizes[1] < sizes[0] * (0.5 if random == 0 else 0.9)
    node, _, value, sets = grown_sets(4, only, (label << 32) + 1, 32, 2, categorical=(0,), random=random)
    np.testing.assert_array_equal(value[arrived(node, sets, only)].argmax(1), label)


def test_encode_matches_its_twin():
    rng = np.random.default_rng(0)
    x = np.round(rng.normal(size=(300, 3)), 1).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    x[0], x[1] = np.inf, -np.inf
    edges = [np.unique(np.round(rng.normal(size=k), 1)).astype(np.float32) for k in (0, 5, 60)]
    padded = np.full((3, 254), np.inf, np.float32)
    for f, e in enumerate(edges):
        padded[f, : e.size] = e
    out = np.empty(x.shape, np.uint8)
    forest_rows.encode(x, padded, np.array([e.size for e in edges]), out)
    np.testing.assert_array_equal(out, slow.encode(x, edges))


def test_predict_adds_all_trees():
    codes, rng = rows()
    stats, _, _, shift = stats_of(4, codes, rng)
    trees = [grown(4, codes, stats, shift, k) for k in (1, 2, 5)]
    node, value = (np.concatenate([t[i] for t in trees]) for i in (0, 2))
    packed, starts = np.empty(len(node), np.uint64), np.cumsum([0] + [len(t[0]) for t in trees])
    forest_predict.pack(node, starts, packed)
    out, sets = np.zeros((len(codes), 4)), np.empty((len(node), 0), np.uint64)
    forest_predict.predict(packed, sets, starts, value.astype(np.float32), np.ascontiguousarray(codes), out)
    np.testing.assert_allclose(out, sum(slow.predict(t[0], t[2], codes) for t in trees), rtol=1e-5)


def test_bootstrap_counts_are_poisson():
    from hpcfl.kernels import order

    n = 100_000
    hashes, rows_, stats = np.empty(n, np.uint64), np.empty(n, np.int32), np.empty(n, np.int64)
    order.hashes(np.uint64(3), 0, hashes)
    m = forest_rows.bag(hashes, np.full(n, (2 << 32) + 1), 4, rows_, stats)
    assert np.all(stats[:m] >> 32 == 2)
    share = np.bincount(stats[:m] & 0xFFFFFFFF, minlength=6)[1:6] / n
    np.testing.assert_allclose(share, [0.3679, 0.1839, 0.0613, 0.0153, 0.0031], atol=0.005)
