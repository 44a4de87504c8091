"""Softmax regression with vectors over the features: slow twins, bits that depend on no row count, what must show."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcfl.kernels import narrow, softmax, thin
from hpcfl.kernels.flags import jit
from hpcfl.kernels.thin_tiles import HEIGHT, address, outputs
from hpcfl.kernels.thin_turn import LANES, turn, turn_back
from tests.kernels.test_network import problem, run
from tests.reference import network as slow

NONE = np.zeros((2, 0), np.float32)


def slow_twin(w, x, y, rows, affine, widths):
    wide = x[rows].astype(np.float64)
    wide = (wide - affine[0]) * affine[1] if affine.size else wide
    loss, grad = slow.loss_grad(w.astype(np.float64), wide, y[rows, 0], y[rows, 1], widths, "softmax", "relu")
    return loss, grad, np.linalg.norm(wide)


@settings(max_examples=60)
@given(
    st.integers(1, 100) | st.just(784),
    st.integers(2, LANES),
    st.integers(1, 100) | st.integers(500, 600),
    st.sampled_from([np.float32, np.uint8, np.float64]),
    st.booleans(),
    st.integers(0, 99),
)
def test_equals_slow_twin(features, classes, m, stored, scaled, seed):
    widths = [features, classes]
    spec, w, x, y, affine = problem("softmax", "relu", widths, np.float32, stored=stored)
    if stored == np.uint8:
        w /= 100
    rows = np.random.default_rng(seed).integers(0, 700, m).astype(np.int32)
    affine = affine if scaled else NONE
    got, grad = run(softmax.loss_grad, spec, w, x, y, rows, affine)
    want, slow_grad, size = slow_twin(w, x, y, rows, affine, widths)
    assert got == pytest.approx(want, rel=1e-5, abs=1e-5 * m)
    assert np.linalg.norm(grad - slow_grad) <= 1e-5 * (np.linalg.norm(slow_grad) + size)


@pytest.mark.parametrize("classes", [2, 10, 16])
def test_gradient_by_finite_differences(classes):
    spec, w, x, y, _ = problem("softmax", "relu", [70, classes], np.float32)
    rows = np.arange(50, dtype=np.int32)
    _, grad = run(softmax.loss_grad, spec, w, x, y, rows, NONE)
    for seed in range(5):
        direction = np.random.default_rng(seed).standard_normal(w.size).astype(np.float32)
        ahead, _ = run(softmax.loss_grad, spec, w + 1e-2 * direction, x, y, rows, NONE)
        behind, _ = run(softmax.loss_grad, spec, w - 1e-2 * direction, x, y, rows, NONE)
        size = np.linalg.norm(grad) * np.linalg.norm(direction)
        assert (ahead - behind) / 2e-2 == pytest.approx(grad @ direction, abs=float(2e-3 * size))


@jit
def outputs_of(x, rows, w, packed, places, z):
    turn(w, packed)
    for first in range(0, rows.size, HEIGHT):
        for i in range(2 * HEIGHT):
            places[i] = address(x) + x.strides[0] * rows[min(first + i, rows.size - 1)]
        for j in range(0, w.shape[1], 5):
            outputs(places, 0, packed, j, x.shape[1], z[:, first : first + HEIGHT])


def folded(x, w):
    """Each output by float32 multiply-adds, in lanes that are added up in halves."""
    d, k = w.shape
    sums = np.zeros((k, LANES), np.float32)
    for start in range(0, d, LANES):
        part = slice(start, min(start + LANES, d))
        exact = sums[:, : part.stop - start].astype(np.float64) + x[part].astype(np.float64) * w[part].T
        sums[:, : part.stop - start] = exact  # float64 holds the product exactly
    for n in (8, 4, 2, 1):
        sums = sums[:, :n] + sums[:, n:]
    return sums[:, 0]


@pytest.mark.parametrize(("d", "k"), [(1, 2), (15, 16), (16, 5), (100, 10), (784, 11)])
def test_an_output_is_added_up_in_one_order(d, k):
    rng = np.random.default_rng(d)
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((50, d), (d, k)))
    rows = rng.integers(0, 50, 13).astype(np.int32)
    z, places = np.full((thin.TALL, 16), np.nan, np.float32), np.zeros(2 * HEIGHT, np.int64)
    outputs_of(x, rows, w, np.full(thin.TALL * (d + LANES), np.nan, np.float32), places, z)
    assert np.array_equal(z[:k, :13].T, [folded(x[r], w) for r in rows])


@jit
def there_and_back(a, packed, out):
    turn(a, packed)
    turn_back(packed, out)


@pytest.mark.parametrize("k", [2, 5, 10, 16])
@pytest.mark.parametrize("d", [1, 15, 16, 17, 50])
def test_turning_twice_gives_the_same(d, k):
    a = np.arange(d * k, dtype=np.float32).reshape(d, k)
    around = np.full((d + 2, k), 7, np.float32)
    there_and_back(a, np.full(thin.TALL * (d + LANES), np.nan, np.float32), around[1:-1])
    assert np.array_equal(around[1:-1], a)
    assert (around[[0, -1]] == 7).all()  # nothing is written past the result


@pytest.mark.parametrize("features", [5, 100])
def test_rows_without_weight_and_rows_before_change_no_bit(features):
    spec, w, x, y, _ = problem("softmax", "relu", [features, 10], np.float32)
    rows = np.arange(11, 50, dtype=np.int32)
    loss, grad = run(softmax.loss_grad, spec, w, x, y, rows, NONE)
    y[100:] = 0
    for more in (1, 3, 20, 77):
        longer = np.concatenate([rows, np.arange(100, 100 + more, dtype=np.int32)])
        got, same = run(softmax.loss_grad, spec, w, x, y, longer, NONE)
        assert np.array_equal(same[: features * 10], grad[: features * 10])
        assert got == pytest.approx(loss, rel=1e-7)


@pytest.mark.parametrize("offset", [0, 1, 7])
def test_bits_do_not_depend_on_where_scratch_and_rows_lie(offset):
    spec, w, x, y, _ = problem("softmax", "relu", [50, 10], np.float32)
    rows = np.arange(40, dtype=np.int32)
    loss, grad = run(softmax.loss_grad, spec, w, x, y, rows, NONE)
    room, space = (np.full(n + offset, np.nan, np.float32) for n in (x.size, softmax.work_size(spec, 40)))
    moved, got = room[offset:].reshape(x.shape), np.full_like(grad, np.nan)
    moved[:] = x
    assert softmax.loss_grad(w, moved, y, rows, NONE, spec, space[offset:], got) == loss
    assert np.array_equal(got, grad)


def test_scratch_is_as_large_as_is_said():
    spec, w, x, y, affine = problem("softmax", "relu", [100, 16], np.float32)
    for m in (narrow.MOST + 1, 40):
        size, rows = thin.work_size(100, 16, m), np.arange(m, dtype=np.int32)
        assert size <= softmax.work_size(spec, m)
        for offset in range(LANES):
            room = np.full(size + offset + 100, 7, np.float32)
            softmax.loss_grad(w, x, y, rows, affine, spec, room[offset : offset + size], np.empty_like(w))
            assert (room[:offset] == 7).all()
            assert (room[offset + size :] == 7).all()


def test_far_outputs_neither_overflow_nor_lose_the_loss():
    spec, w, x, y, _ = problem("softmax", "relu", [3, 4], np.float32)
    x[:], w[:], y[:] = 0, 0, [1, 1]
    w[-4:] = [500, -500, 0, 0]
    got, grad = run(softmax.loss_grad, spec, w, x, y, np.arange(40, dtype=np.int32), NONE)
    assert got == pytest.approx(40000)
    assert grad[-4:] == pytest.approx([40, -40, 0, 0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["row", "weight", "bias"])
def test_what_is_not_finite_shows_in_the_loss(bad, where):
    spec, w, x, y, _ = problem("softmax", "relu", [35, 4], np.float32)
    if where == "row":
        x[39, 34] = bad
    else:
        w[-1 if where == "bias" else 7] = bad
    got, grad = run(softmax.loss_grad, spec, w, x, y, np.arange(40, dtype=np.int32), NONE)
    assert np.isnan(got)
    assert np.isnan(grad).all()
