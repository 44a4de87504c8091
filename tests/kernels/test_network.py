"""Network kernels against their slow twins, finite differences, and what must stay visible."""

import numpy as np
import pytest

from hpcfl.data.csr import CSR
from hpcfl.kernels import loss, network, single, softmax, sparse
from tests.reference import network as slow

KINDS = {
    "squared": loss.SQUARED,
    "logistic": loss.LOGISTIC,
    "softmax": loss.SOFTMAX,
    "squared_hinge": loss.SQUARED_HINGE,
}
CASES = [
    ("squared", "relu", [7, 1]),
    ("logistic", "relu", [7, 1]),
    ("squared_hinge", "relu", [7, 1]),
    ("softmax", "relu", [7, 4]),
    ("softmax", "relu", [7, 9, 8, 4]),
    ("softmax", "tanh", [7, 9, 4]),
    ("squared", "tanh", [7, 9, 5, 1]),
]


def problem(kind, activation, widths, dtype, n=700, stored=None):
    rng = np.random.default_rng(3)
    spec = np.array([KINDS[kind], activation == "tanh", *widths], np.int64)
    size = sum(a * b + b for a, b in zip(widths[:-1], widths[1:], strict=True))
    w = (0.4 * rng.standard_normal(size)).astype(dtype)
    x = rng.standard_normal((n, widths[0]))
    x = np.abs(x) * 100 if stored == np.uint8 else x
    x = x.astype(stored or dtype)
    classes = max(widths[-1], 2)
    t = rng.standard_normal(n) if kind == "squared" else rng.integers(0, classes, n)
    y = np.stack([t, rng.uniform(0.5, 2, n)], axis=1).astype(dtype)
    affine = np.stack([rng.standard_normal(widths[0]), rng.uniform(0.5, 2, widths[0])]).astype(dtype)
    return spec, w, x, y, affine


def run(kernel, spec, w, x, y, rows, affine):
    grad = np.full_like(w, np.nan)
    size = softmax.work_size if kernel is softmax.loss_grad else network.work_size
    work = np.full(size(spec, len(rows)), np.nan, w.dtype)
    return kernel(w, x, y, rows, affine, spec, work, grad), grad


def own(spec):
    """Return the kernel that models of a `spec` use."""
    if spec.size > 4:
        return network.loss_grad
    return single.loss_grad if spec[3] == 1 else softmax.loss_grad


@pytest.mark.parametrize(("kind", "activation", "widths"), CASES)
@pytest.mark.parametrize("m", [3, 10, 600])  # 600 is more than one chunk
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_equals_slow_twin(kind, activation, widths, m, dtype, tolerance):
    spec, w, x, y, affine = problem(kind, activation, widths, dtype)
    rows = np.random.default_rng(1).permutation(700)[:m].astype(np.int32)
    scaled = (x[rows].astype(np.float64) - affine[0]) * affine[1]
    want, slow_grad = slow.loss_grad(w.astype(np.float64), scaled, y[rows, 0], y[rows, 1], widths, kind, activation)
    assert np.linalg.norm(slow_grad) > 1e-3  # the data is not degenerate
    for kernel in {network.loss_grad, own(spec)}:
        got, grad = run(kernel, spec, w, x, y, rows, affine)
        assert got == pytest.approx(want, rel=tolerance)
        assert np.linalg.norm(grad - slow_grad) <= tolerance * np.linalg.norm(slow_grad)


@pytest.mark.parametrize(("kind", "activation", "widths"), CASES)
def test_gradient_by_finite_differences(kind, activation, widths):
    spec, w, x, y, affine = problem(kind, activation, widths, np.float64)
    rows = np.arange(50, dtype=np.int32)
    _, grad = run(own(spec), spec, w, x, y, rows, affine)
    for seed in range(5):
        direction = np.random.default_rng(seed).standard_normal(w.size)
        ahead, _ = run(own(spec), spec, w + 1e-6 * direction, x, y, rows, affine)
        behind, _ = run(own(spec), spec, w - 1e-6 * direction, x, y, rows, affine)
        assert (ahead - behind) / 2e-6 == pytest.approx(grad @ direction, rel=1e-5)


@pytest.mark.parametrize(("kind", "activation", "widths"), [c for c in CASES if len(c[2]) == 2])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-4)])
def test_sparse_equals_dense(kind, activation, widths, dtype, tolerance):
    spec, w, x, y, _ = problem(kind, activation, widths, dtype)
    x[np.random.default_rng(5).random(x.shape) < 0.6] = 0
    x[::9] = 0
    rows = np.random.default_rng(1).permutation(700)[:300].astype(np.int32)
    none = np.empty((2, 0), dtype)
    dense = run(own(spec), spec, w, x, y, rows, none)
    held = x != 0
    csr = CSR(
        x[held], np.nonzero(held)[1].astype(np.int32), np.concatenate([[0], held.sum(1).cumsum()]).astype(np.int64)
    )
    got = run(sparse.loss_grad, spec, w, csr, y, rows, none)
    assert got[0] == pytest.approx(dense[0], rel=tolerance / 100)
    np.testing.assert_allclose(got[1], dense[1], rtol=tolerance, atol=tolerance)
    out, want = np.empty((300, widths[1]), dtype), np.empty((300, widths[1]), dtype)
    work = np.empty(network.work_size(spec, 300), dtype)
    sparse.scores(w, csr, rows, none, spec, work, out)
    network.scores(w, x, rows, none, spec, work, want)
    np.testing.assert_allclose(out, want, rtol=tolerance, atol=tolerance)


def test_stored_bytes_are_converted_in_the_gather():
    spec, w, x, y, affine = problem("softmax", "relu", [7, 9, 4], np.float32, stored=np.uint8)
    rows = np.arange(40, dtype=np.int32)
    bytes_loss, bytes_grad = run(network.loss_grad, spec, w, x, y, rows, affine)
    float_loss, float_grad = run(network.loss_grad, spec, w, x.astype(np.float32), y, rows, affine)
    assert bytes_loss == float_loss
    np.testing.assert_array_equal(bytes_grad, float_grad)


@pytest.mark.parametrize(("kind", "activation", "widths"), CASES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_value_that_is_not_finite_shows_in_the_loss(kind, activation, widths, bad, dtype):
    spec, w, x, y, _ = problem(kind, activation, widths, dtype)
    w[:] = bad
    got, _ = run(own(spec), spec, w, x, y, np.arange(10, dtype=np.int32), np.empty((2, 0), dtype))
    assert not np.isfinite(got)


@pytest.mark.parametrize("widths", [[7, 9, 4], [7, 4], [7, 1]])
def test_no_rows_give_zero(widths):
    spec, w, x, y, affine = problem("softmax" if widths[-1] > 1 else "squared", "relu", widths, np.float64)
    got, grad = run(own(spec), spec, w, x, y, np.empty(0, np.int32), affine)
    assert got == 0
    assert not grad.any()


def test_exp32_is_exact_to_float32():
    x = np.linspace(-86, 86, 20001).astype(np.float32)
    got = np.array([loss.exp32(v) for v in x], np.float64)
    assert np.abs(got / np.exp(x.astype(np.float64)) - 1).max() < 2e-7


def test_logistic_loss_of_many_rows_is_exact_to_float32():
    z = np.linspace(-80, 80, 20001).astype(np.float32)
    rng = np.random.default_rng(0)
    y = np.stack([rng.integers(0, 2, z.size), rng.random(z.size) + 0.5], axis=1).astype(np.float32)
    got = z.copy()
    found = loss.logistic32(got, y[:, 0].copy(), y[:, 1].copy())
    double, target, weight = z.astype(np.float64)[:, None], y[:, 0].astype(np.float64), y[:, 1].astype(np.float64)
    assert found == pytest.approx(float(weight @ slow.loss_rows("logistic", double, target)), rel=1e-6)
    want = slow.derivative("logistic", double, target)[:, 0] * weight
    np.testing.assert_allclose(got, want, rtol=5e-7, atol=1e-37)
    for bad in (np.nan, np.inf):
        assert not np.isfinite(loss.logistic32(np.full(20, bad, np.float32), y[:20, 0].copy(), y[:20, 1].copy()))


@pytest.mark.parametrize("widths", [[7, 4], [7, 9, 8, 4], [7, 70, 1], [130, 67, 66, 3]])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tree_of_groups_has_the_bits_of_group_gradients_added_in_that_tree(widths, dtype):
    spec, w, x, y, affine = problem("softmax" if widths[-1] > 1 else "squared", "relu", widths, dtype)
    bounds = np.array([0, 5, 12, 12, 20])  # one is empty, as in a short last batch
    rows = np.random.default_rng(1).permutation(700)[:20].astype(np.int32)
    grad, losses = np.full_like(w, np.nan), np.empty(4, dtype)
    work = np.full(network.work_size(spec, 20), np.nan, dtype)
    network.tree_grad(w, x, y, rows, bounds, affine, spec, work, losses, grad)
    parts = [run(network.loss_grad, spec, w, x, y, rows[a:b], affine) for a, b in zip(bounds, bounds[1:], strict=False)]
    assert [dtype(loss) for loss, _ in parts] == losses.tolist()
    (_, a), (_, b), (_, c), (_, d) = parts
    assert np.linalg.norm(grad) > 0.1
    assert np.array_equal(grad, (a + b) + (c + d))
