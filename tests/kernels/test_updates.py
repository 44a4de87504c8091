"""Optimizer kernels against slow twins over several steps, in both precisions."""

import numpy as np
import pytest

from hpcfl import registry
from hpcfl.kernels import updates
from tests.reference import updates as slow


def trace(rule, dtype, steps=5, lr=0.05):
    rng = np.random.default_rng(0)
    w = rng.standard_normal(33).astype(dtype)
    state = np.zeros((rule.slots, 33), dtype)
    grads = rng.standard_normal((steps, 33)).astype(dtype)
    start = w.astype(np.float64)
    for t, g in enumerate(grads, 1):
        rule.step(w, g, state, lr, t)
    return start, grads.astype(np.float64), w


CASES = {
    "sgd": [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}, {"weight_decay": 0.1}],
    "adam": [{}, {"weight_decay": 0.1}],
    "adamw": [{"weight_decay": 0.1}],
    "fedadam": [{}],
    "yogi": [{}],
    "adagrad": [{}],
}


def reference(name, keys, w, grads, lr):
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t, g in enumerate(grads, 1):
        if name == "sgd":
            w, v = slow.sgd(w, g, v, lr, **keys)
        elif name == "adagrad":
            w, v = slow.adagrad(w, g, v, lr)
        elif name == "yogi":
            w, m, v = slow.yogi(w, g, m, v, lr)
        elif name == "fedadam":
            w, m, v = slow.adam(w, g, m, v, t, lr, 0.9, 0.99, 1e-3, corrected=False)
        else:
            decay = keys.get("weight_decay", 0.0)
            which = {"decoupled": decay} if name == "adamw" else {"coupled": decay}
            w, m, v = slow.adam(w, g, m, v, t, lr, **which)
    return w


def test_every_optimizer_has_a_case():
    assert set(CASES) == set(registry.names("optimizers"))


@pytest.mark.parametrize(("name", "keys"), [(n, k) for n, many in CASES.items() for k in many])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_equals_slow_twin(name, keys, dtype, tolerance):
    rule = registry.load("optimizers", name)(**keys)
    start, grads, got = trace(rule, dtype)
    want = reference(name, keys, start, grads, 0.05)
    assert np.abs(want - start).max() > 1e-3
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


def test_finish_takes_the_mean_and_adds_the_penalty():
    w, grad = np.array([1.0, 2.0, 3.0]), np.array([4.0, 4.0, 4.0])
    penalty = updates.finish(grad, 0.5, w, np.array([[0, 2]]), 0.1, grad)
    np.testing.assert_allclose(grad, [2.1, 2.2, 2.0])
    assert penalty == pytest.approx(0.05 * 5)
    assert updates.norm(np.array([3.0, 4.0])) == 5
