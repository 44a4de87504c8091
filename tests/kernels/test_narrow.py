"""Softmax regression on a few rows, in registers: its slow twin, the general kernel, what must stay visible."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcfl.kernels import narrow, softmax
from tests.kernels.test_network import problem, run
from tests.reference import network as slow

NONE = np.zeros((2, 0), np.float32)


@given(st.integers(1, 40), st.integers(2, narrow.LANES + 1), st.integers(1, narrow.MOST + 1), st.integers(0, 99))
def test_equals_slow_twin(features, classes, m, seed):
    widths = [features, classes]
    spec, w, x, y, _ = problem("softmax", "relu", widths, np.float32, n=30)
    rows = np.random.default_rng(seed).integers(0, 30, m).astype(np.int32)
    got, grad = run(softmax.loss_grad, spec, w, x, y, rows, NONE)
    wide = w.astype(np.float64), x[rows].astype(np.float64)
    want, slow_grad = slow.loss_grad(*wide, y[rows, 0], y[rows, 1], widths, "softmax", "relu")
    assert got == pytest.approx(want, rel=2e-6, abs=1e-6 * m)
    assert np.linalg.norm(grad - slow_grad) <= 2e-6 * (np.linalg.norm(slow_grad) + np.linalg.norm(x[rows]))


def test_rows_beyond_those_that_fit_are_left_to_the_general_kernel():
    spec, w, x, y, _ = problem("softmax", "relu", [9, 10], np.float32)
    rows, grad = np.arange(20, dtype=np.int32), np.zeros_like(w)
    for part in (rows[:10], rows[10:]):
        grad += run(softmax.loss_grad, spec, w, x, y, part, NONE)[1]
    assert grad == pytest.approx(run(softmax.loss_grad, spec, w, x, y, rows, NONE)[1], rel=1e-5, abs=1e-5)


def test_far_outputs_neither_overflow_nor_lose_the_loss():
    spec, w, x, y, _ = problem("softmax", "relu", [3, 4], np.float32)
    x[:], w[:], y[:] = 0, 0, [1, 1]
    w[-4:] = [500, -500, 0, 0]
    got, grad = run(softmax.loss_grad, spec, w, x, y, np.arange(8, dtype=np.int32), NONE)
    assert got == pytest.approx(8000)
    assert grad[-4:] == pytest.approx([8, -8, 0, 0])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_stays_visible(bad):
    spec, w, x, y, _ = problem("softmax", "relu", [7, 4], np.float32)
    x[3, 2] = bad
    got, grad = run(softmax.loss_grad, spec, w, x, y, np.arange(6, dtype=np.int32), NONE)
    assert np.isnan(got)
    assert np.isnan(grad).all()
