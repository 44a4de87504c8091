"""Products in register tiles: right for any shape, the same bits wherever an element lies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcfl.kernels.flags import jit
from hpcfl.kernels.matmul import STACK, matmul, matmul_rows, matmul_tree, transpose


@jit
def product(a, b, add, c):
    matmul(a, b, 0, add, c)


@jit
def product_of_rows(x, rows, b, copy, c):
    matmul(copy, b, matmul_rows(x, rows, b, copy, c), False, c)


@jit
def tree(a, b, bounds, stack, c):
    matmul_tree(a, b, bounds, stack, c)


@jit
def turn(a, out):
    transpose(a, out)


def twin(a, b):
    """Each element by fused multiply-adds in float64, which hold the product of two float32 exactly."""
    c = np.zeros((a.shape[0], b.shape[1]))
    for p in range(a.shape[1]):
        c = (c + np.outer(a[:, p].astype(np.float64), b[p].astype(np.float64))).astype(np.float32).astype(np.float64)
    return c.astype(np.float32)


SIZES = st.tuples(st.integers(1, 40), st.integers(0, 30), st.integers(1, 150))


@given(SIZES, st.booleans(), st.sampled_from([np.float32, np.float64]), st.integers(0, 99))
def test_equals_numpy(sizes, turned, dtype, seed):
    m, k, n = sizes
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((k, m)).astype(dtype).T if turned else rng.standard_normal((m, k)).astype(dtype)
    b, start = rng.standard_normal((k, n)).astype(dtype), rng.standard_normal((m, n)).astype(dtype)
    around = np.full((m + 2, n), 7, dtype)
    c = around[1:-1]
    for add in (False, True):
        c[:] = start
        product(a, b, add, c)
        want = a.astype(np.float64) @ b + (start if add else 0)
        assert np.abs(c - want).max() <= 100 * np.finfo(dtype).eps * (k + 1)
        assert (around[[0, -1]] == 7).all()  # nothing is written past the result


def test_an_element_is_one_chain_of_fused_multiply_adds():
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(s).astype(np.float32) for s in ((23, 31), (31, 147)))
    c = np.empty((23, 147), np.float32)
    product(a, b, False, c)
    assert np.array_equal(c, twin(a, b))


@pytest.mark.parametrize("width", [10, 75, 150])
@pytest.mark.parametrize("m", [1, 5, 6, 23])
def test_rows_by_number_are_those_of_a_copy(m, width):
    rng = np.random.default_rng(4)
    x, rows = rng.standard_normal((50, 37)).astype(np.float32), rng.integers(0, 50, m).astype(np.int32)
    b, copy = rng.standard_normal((37, width)).astype(np.float32), np.empty((m, 37), np.float32)
    got, want = np.empty((2, m, width), np.float32)
    product_of_rows(x, rows, b, copy, got)
    product(np.ascontiguousarray(x[rows]), b, False, want)
    assert np.array_equal(got, want)
    assert np.array_equal(copy, x[rows])


@pytest.mark.parametrize("m", [1, 2, 7, 20])
def test_bits_do_not_depend_on_the_rows_of_the_call(m):
    rng = np.random.default_rng(1)
    a, b = (rng.standard_normal(s).astype(np.float32) for s in ((50, 784), (784, 75)))
    whole, part = np.empty((50, 75), np.float32), np.empty((m, 75), np.float32)
    product(a, b, False, whole)
    product(a[11 : 11 + m], b, False, part)
    assert np.array_equal(part, whole[11 : 11 + m])


@pytest.mark.parametrize("groups", [1, 2, 8])
def test_tree_equals_products_added_in_a_tree(groups):
    rng = np.random.default_rng(2)
    a, b = (rng.standard_normal(s).astype(np.float32) for s in ((40, 13), (40, 101)))
    bounds = np.sort(np.concatenate([[0, 40], rng.integers(0, 41, groups - 1)]))
    c, parts = np.full((13, 101), np.nan, np.float32), []
    tree(a, b, bounds, np.empty(STACK, np.float32), c)
    for lo, hi in zip(bounds, bounds[1:], strict=False):
        part = np.empty((13, 101), np.float32)
        product(a[lo:hi].T, b[lo:hi], False, part)
        parts.append(part)
    while len(parts) > 1:
        parts = [left + right for left, right in zip(parts[::2], parts[1::2], strict=True)]
    assert np.array_equal(c, parts[0])


def test_transpose():
    a = np.arange(37 * 50, dtype=np.float32).reshape(37, 50)
    out = np.empty((50, 37), np.float32)
    turn(a, out)
    assert np.array_equal(out, a.T)
