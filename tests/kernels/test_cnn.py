"""Convolutional kernels against their slow twin and finite differences."""

import numpy as np
import pytest

from hpcfl.kernels import cnn
from hpcfl.models.cnn import CNN
from tests.reference import cnn as slow

CASES = {
    "pooled": (("conv 3 3 same", "pool 2", "conv 5 3", "dense 7"), (9, 7, 2), [("conv", 1, 2), ("conv", 0, 1)]),
    "odd": (("conv 4 3 same", "pool 3", "dense 6"), (8, 8, 1), [("conv", 1, 3)]),
    "bare": (("conv 4 5",), (6, 7, 3), [("conv", 0, 1)]),
    "dense": (("dense 6",), (4, 4, 1), []),
    "lenet5": (("lenet5",), (20, 16, 1), [("conv", 2, 2), ("conv", 0, 2)]),
}
K = 4


def problem(case, activation, dtype, n=80):
    layers, image, twin = CASES[case]
    rng, d = np.random.default_rng(3), int(np.prod(image))
    model = CNN(layers, image, activation)
    layout = model.layout(d, K)
    w = (0.3 * rng.standard_normal(layout.size)).astype(dtype)
    x = rng.standard_normal((n, d)).astype(dtype)
    y = np.stack([rng.integers(0, K, n), rng.uniform(0.5, 2, n)], axis=1).astype(dtype)
    affine = np.stack([rng.standard_normal(d), rng.uniform(0.5, 2, d)]).astype(dtype)
    dense = [("dense",)] * (len(layout.shapes) // 2 - len(twin))
    return model.spec(d, K), layout, w, x, y, affine, image, [*twin, *dense]


def run(spec, w, x, y, rows, affine):
    grad, work = np.full_like(w, np.nan), np.full(cnn.work_size(spec, len(rows)), np.nan, w.dtype)
    return cnn.loss_grad(w, x, y, rows, affine, spec, work, grad), grad


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("m", [1, 10, 70])  # 70 is more than one chunk
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_equals_slow_twin(case, activation, m, dtype, tolerance):
    spec, layout, w, x, y, affine, image, twin = problem(case, activation, dtype)
    rows = np.random.default_rng(1).permutation(80)[:m].astype(np.int32)
    got, grad = run(spec, w, x, y, rows, affine)
    views = list(layout.views(w.astype(np.float64)).values())
    images = ((x[rows].astype(np.float64) - affine[0]) * affine[1]).reshape(m, *image)
    parts = list(zip(views[::2], views[1::2], strict=True))
    want, slow_grad = slow.loss_grad(parts, images, y[rows, 0], y[rows, 1], twin, activation)
    assert all(np.linalg.norm(v) > 1e-3 for v in layout.views(slow_grad).values()) or m == 1
    assert got == pytest.approx(want, rel=tolerance)
    assert np.linalg.norm(grad - slow_grad) <= tolerance * np.linalg.norm(slow_grad)


@pytest.mark.parametrize("case", CASES)
def test_gradient_by_finite_differences(case):
    spec, _, w, x, y, affine, _, _ = problem(case, "tanh", np.float64)
    rows = np.arange(20, dtype=np.int32)
    _, grad = run(spec, w, x, y, rows, affine)
    for seed in range(3):
        direction = np.random.default_rng(seed).standard_normal(w.size)
        ahead, _ = run(spec, w + 1e-7 * direction, x, y, rows, affine)
        behind, _ = run(spec, w - 1e-7 * direction, x, y, rows, affine)
        assert (ahead - behind) / 2e-7 == pytest.approx(grad @ direction, rel=1e-5)


def test_an_image_larger_than_a_panel():
    model, d = CNN(("conv 3 3 same", "pool 2", "conv 5 3"), (200, 210, 2)), 200 * 210 * 2
    layout, rng = model.layout(d, K), np.random.default_rng(0)
    w, x = 0.1 * rng.standard_normal(layout.size), rng.standard_normal((1, d))
    loss, grad = run(model.spec(d, K), w, x, np.ones((1, 2)), np.zeros(1, np.int32), np.empty((2, 0)))
    views = list(layout.views(w).values())
    parts, twin = list(zip(views[::2], views[1::2], strict=True)), [("conv", 1, 2), ("conv", 0, 1), ("dense",)]
    want, slow_grad = slow.loss_grad(parts, x.reshape(1, 200, 210, 2), np.ones(1), np.ones(1), twin, "relu")
    assert loss == pytest.approx(want, rel=1e-10)
    assert np.linalg.norm(grad - slow_grad) <= 1e-10 * np.linalg.norm(slow_grad)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_value_that_is_not_finite_shows_in_the_loss(bad, activation):
    spec, _, w, x, y, affine, _, _ = problem("pooled", activation, np.float32)
    w[:] = bad
    assert not np.isfinite(run(spec, w, x, y, np.arange(10, dtype=np.int32), affine)[0])
    assert run(spec, w, x, y, np.empty(0, np.int32), affine)[0] == 0
