"""Kernels of factorization against their slow twins."""

import numpy as np
import pytest

from hpcfl.kernels import als, factors, implicit, mf_gradient, mf_sgd
from hpcfl.kernels.gram import BLOCK, PAD, add_gram
from tests.reference import factorization as slow

TOLERANCE = {np.float32: 2e-4, np.float64: 1e-9}


def problem(k, dtype, seed=0):
    """Rows of 0, 1, some, and more ratings than a block."""
    rng = np.random.default_rng(seed)
    counts = [0, 1, 7, BLOCK, BLOCK + 3, 40]
    indptr = np.concatenate([[0], np.cumsum(counts)])
    other = np.append(rng.normal(size=(400, k)), rng.normal(size=(400, 1)), axis=1).astype(dtype)
    index = np.concatenate([np.sort(rng.choice(400, c, replace=False)) for c in counts]).astype(np.int32)
    return indptr, index, rng.integers(1, 6, indptr[-1]).astype(dtype), other


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 8, 11, 32])
@pytest.mark.parametrize(("scaled", "biases"), [(True, True), (False, False)])
def test_explicit_half_step(dtype, k, scaled, biases):
    indptr, index, rating, other = problem(k, dtype)
    out = np.full((6, k + 1), 9, dtype)
    als.explicit(indptr, index, rating, other, np.array([0.3, scaled, biases, 3.2]), out)
    expected = slow.explicit(indptr, index, rating, other, 0.3, scaled, biases, 3.2)
    np.testing.assert_allclose(out, expected, atol=TOLERANCE[dtype] * 10)
    assert not out[0].any()
    assert (out[:, k].any()) == biases


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scaled", [True, False])
def test_implicit_cholesky_and_converged_conjugate_gradients(dtype, scaled):
    k = 8
    indptr, index, rating, other = problem(k, dtype, 1)
    other[:, k] = 0
    full = np.ascontiguousarray(other[:, :k].T @ other[:, :k])
    hyper = np.array([0.3, scaled, 2.0, 40])
    expected = slow.implicit(indptr, index, rating, other, 0.3, scaled, 2.0)
    out = np.full((6, k + 1), 9, dtype)
    implicit.cholesky(indptr, index, rating, other, full, hyper, out)
    np.testing.assert_allclose(out, expected, atol=TOLERANCE[dtype] * 10)
    assert np.abs(expected).max() > 0.05
    out[:] = 0
    implicit.conjugate(indptr, index, rating, other, full, hyper, out)
    np.testing.assert_allclose(out, expected, atol=TOLERANCE[dtype] * 10)


def test_three_steps_of_conjugate_gradients_come_close_but_not_home():
    indptr, index, rating, other = problem(8, np.float64, 1)
    other[:, 8] = 0
    full = np.ascontiguousarray(other[:, :8].T @ other[:, :8])
    expected = slow.implicit(indptr, index, rating, other, 0.3, False, 2.0)
    out = np.zeros((6, 9))
    implicit.conjugate(indptr, index, rating, other, full, np.array([0.3, 0, 2.0, 3]), out)
    error = np.abs(out - expected).max()
    assert 1e-9 < error < 0.3 * np.abs(expected).max()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [PAD, 3 * PAD])
def test_gram_adds_on_and_above_the_diagonal(dtype, k):
    rng = np.random.default_rng(6)
    block, before = rng.normal(size=(BLOCK, k)).astype(dtype), rng.normal(size=(k, k)).astype(dtype)
    for rows in (0, 1, 100, BLOCK):
        gram = before.copy()
        add_gram(block, rows, gram)
        expected = before + block[:rows].astype(np.float64).T @ block[:rows]
        np.testing.assert_allclose(np.triu(gram), np.triu(expected), atol=TOLERANCE[dtype])


@pytest.mark.parametrize("biases", [True, False])
def test_sweep(biases):
    rng = np.random.default_rng(2)
    users, items = rng.normal(size=(5, 4)), rng.normal(size=(6, 4))
    if not biases:
        users[:, -1] = items[:, -1] = 0
    user, item = rng.integers(0, 5, 60).astype(np.int32), rng.integers(0, 6, 60).astype(np.int32)
    rating = rng.normal(size=60)
    expected = slow.sweep(user, item, rating, 0.05, 0.1, biases, 0.7, users, items)
    mf_sgd.sweep(user, item, rating, np.array([0.05, 0.1, biases, 0.7]), users, items)
    np.testing.assert_allclose(users, expected[0], atol=1e-12)
    np.testing.assert_allclose(items, expected[1], atol=1e-12)


def test_item_gradients_and_their_limit():
    indptr, index, rating, other = problem(5, np.float64, 3)
    users = np.random.default_rng(4).normal(size=(6, 6))
    sums = np.zeros(other.shape, np.int64)
    assert mf_gradient.add(indptr, index, rating, 3.0, users, other, 2.0**32, sums)
    expected = slow.item_gradients(indptr, index, rating, 3.0, users, other)
    np.testing.assert_allclose(sums * 2.0**-32, expected, atol=1e-6)
    users[2, 0] = np.nan
    assert not mf_gradient.add(indptr, index, rating, 3.0, users, other, 2.0**32, sums)


def test_judge_against_sorting():
    rng = np.random.default_rng(5)
    users, items = rng.normal(size=(30, 4)), rng.normal(size=(25, 4))
    seen = [np.sort(rng.choice(25, rng.integers(0, 20), replace=False)) for _ in range(30)]
    rest = [np.setdiff1d(np.arange(25), s) for s in seen]
    wanted = [np.sort(rng.choice(r, rng.integers(0, 5), replace=False)) for r in rest]
    pointers = [np.concatenate([[0], np.cumsum([len(x) for x in lists])]) for lists in (seen, wanted)]
    flat = [np.concatenate(lists).astype(np.int32) for lists in (seen, wanted)]
    out = np.empty((30, 4))
    factors.judge(users, items, pointers[0], flat[0], pointers[1], flat[1], 6, out)
    scores = users[:, :3] @ items[:, :3].T + items[:, 3]
    for u in range(30):
        if len(wanted[u]):
            np.testing.assert_allclose(out[u], slow.ranks(scores[u], seen[u], wanted[u], 6), atol=1e-12)
        else:
            assert np.isnan(out[u]).all()
    assert out[np.isfinite(out[:, 0])].max(axis=0).min() > 0.3


def test_start_depends_on_the_row_alone():
    whole, part = np.empty((50, 4)), np.empty((20, 4))
    factors.start(np.uint64(7), 0, 0.5, whole)
    factors.start(np.uint64(7), 10, 0.5, part)
    assert (whole[10:30] == part).all()
    assert np.abs(whole).max() <= 0.5
    assert abs(whole[:, :3].mean()) < 0.1
    assert whole[:, :3].std() > 0.25
