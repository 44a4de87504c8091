"""The local loop against its twin: every field of a Run, alone and together."""

import numpy as np
import pytest

from hpcfl.federated.bank import Bank
from hpcfl.federated.types import Run
from hpcfl.kernels import local, single, tables, updates
from hpcfl.kernels.typed import Typed
from hpcfl.models.linear import Linear
from tests.reference import federated as slow

D, P, N = 4, 5, 23
SIZES = [9, 14]
RUNS = {
    "plain": (Run(),),
    "pull": (Run(mu=0.7),),
    "drift": (Run(drift="drift"),),
    "reference": (Run(ref="m"),),
    "look ahead": (Run(look=0.05),),
    "follow": (Run(anchor="local", out="theta", mu=0.9, inner=3, follow=0.3),),
    "part": (Run(part=("b",)), Run(start="x", part=("w",), mu=0.4)),
    "steps": (Run(steps=3), Run(start="x", out="v", steps=9)),
    "two": (Run(), Run(start="v", out="v", mu=0.5)),
    "all": (Run(mu=0.2, drift="drift", ref="m", look=0.02, inner=2),),
}


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((N, D)), np.ones((N, 2))
    y[:, 0], y[:, 1] = rng.standard_normal(N), rng.uniform(0.5, 2, N)
    return x, y, rng.permutation(N).astype(np.int32), rng.standard_normal((2, P)), rng.standard_normal((3, P)) / 9


def bank_of(problem):
    bank = Bank({"w": 0, "m": 1}, problem[3].copy(), 2, 0, Linear().layout(D, 1))
    bank["drift"], bank["local"], bank["v"] = problem[4][:2], bank["w"], problem[4][1:]
    return bank


def kernel(problem, runs, hyper, clip, l2, batch, steps):
    x, y, rows, _, _ = problem
    model, bank = Linear(), bank_of(problem)
    affine, spec = np.empty((2, 0)), model.spec(D, 1)
    starts = np.concatenate([[0], np.cumsum(SIZES)])
    clients = tables.Clients(x, y, affine, spec, rows, starts, bool((y[:, 1] != 1).any()))
    layout = model.layout(D, 1)
    solver = tables.Solver(hyper, layout.penalized(), 0.1, l2, clip, batch, True)
    scratch = tables.Scratch(
        np.empty(model.work(D, 1, N)), np.zeros((3, P)), np.zeros((1, P)), np.zeros((3, 1)), np.zeros(N, np.int32)
    )
    w, g = np.zeros(P), np.zeros(P)
    loss_grad = Typed(single.loss_grad, "float64", w, x, y, rows, affine, spec, scratch.work, g)
    step = Typed(updates.sgd, "void", w, g, 1.0, scratch.state, hyper, 0.1, 1)
    stats = np.zeros((2, 3))
    task = tables.Task(np.arange(2), np.array([11, 12], np.uint64), steps, bank.shared, bank.own, stats)
    for each in runs:
        bank.place(each.out)
    local.train(loss_grad, step, clients, bank.plan(runs), solver, task, scratch)
    return bank, stats


def twin(problem, runs, hyper, clip, l2, batch, steps, c):
    x, y, rows, _, _ = problem
    model, bank = Linear(), bank_of(problem)
    mine = np.split(rows, np.cumsum(SIZES)[:-1])[c]
    vectors = {name: bank[name].copy() for name in ("w", "m")}
    vectors |= {name: bank[name][c].copy() for name in ("drift", "local", "v")}
    work = np.empty(model.work(D, 1, N))

    def gradient(w, rows):
        grad = np.zeros(P)
        single.loss_grad(w, x, y, rows, np.empty((2, 0)), model.spec(D, 1), work, grad)
        return grad / y[rows, 1].sum() + l2 * w * (np.arange(P) < D)

    def step(w, g, state, t):
        out = w.copy()
        state[0] = hyper[0] * state[0] + g
        return out - 0.1 * state[0]

    path = []
    for run in runs:
        still = np.isin(np.array([0] * D + [1]), [{"w": 0, "b": 1}[n] for n in run.part], invert=True)
        source = slow.batches(11 + c, mine, batch)
        path.append(
            slow.solve(gradient, run, vectors, source, steps[c], step, 1, 0.1, clip, still if run.part else None)
        )
    return vectors, path[0]


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize(("momentum", "clip", "l2", "batch"), [(0.0, 0.0, 0.0, 4), (0.9, 0.5, 0.1, 14)])
def test_runs_equal_their_twin(problem, name, momentum, clip, l2, batch):
    hyper, steps = np.array([momentum, 0.0, 0.0]), np.array([5, 7])
    bank, stats = kernel(problem, RUNS[name], hyper, clip, l2, batch, steps)
    for c in range(2):
        vectors, path = twin(problem, RUNS[name], hyper, clip, l2, batch, steps, c)
        for vector in bank.names:
            np.testing.assert_allclose(bank[vector][c], vectors[vector], rtol=1e-12, atol=1e-13)
        assert stats[c, 2] == pytest.approx(path, rel=1e-12)
        assert np.abs(vectors[RUNS[name][0].out] - bank["w"]).max() > 0.01


def test_ghost_knows_the_closed_forms_of_fednova(problem):
    k, eta, rho, mu = 7, 0.1, 0.9, 0.7
    _, stats = kernel(problem, (Run(),), np.array([rho, 0.0, 0.0]), 0.0, 0.0, 4, np.array([k, k]))
    assert stats[0, 2] == pytest.approx(eta * (k - rho * (1 - rho**k) / (1 - rho)) / (1 - rho))
    _, stats = kernel(problem, (Run(mu=mu),), np.zeros(3), 0.0, 0.0, 4, np.array([k, k]))
    assert stats[0, 2] == pytest.approx((1 - (1 - eta * mu) ** k) / mu)


def test_shuffles_are_uniform_permutations():
    rows, order = np.arange(4, dtype=np.int32), np.zeros(4, np.int32)
    seen = {}
    for e in range(4800):
        local.shuffle(np.uint64(5), e, rows, order)
        seen[tuple(order)] = seen.get(tuple(order), 0) + 1
    assert len(seen) == 24
    assert sum((n - 200) ** 2 / 200 for n in seen.values()) < 49.7  # chi-squared, 23 degrees, 0.1 %
