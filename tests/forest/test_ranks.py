"""The same forest, bit for bit, over trees and over rows, on any number of ranks."""

import pytest

PROGRAM = """
import hashlib
from dataclasses import replace
import numpy as np
from hpcfl.comm.communicator import world
from hpcfl.forest import binning, boost, oob, over_rows, over_trees, plan, target, trees

comm = world()
rng = np.random.default_rng(0)
n, d = 1501, 7
x = rng.normal(size=(n, d)).astype(np.float32)
x[:, 2] = np.round(x[:, 2])
x[rng.random((n, d)) < 0.05] = np.nan
x[:, 3] = 1
x[:, 4] = rng.integers(0, 9, n)
signal = np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 1] * x[:, 2]) + np.isin(x[:, 4], [2, 5, 7]) + rng.normal(size=n) * 0.3
weight = rng.uniform(0.5, 2, n)
# Uneven shares, one of them empty from three ranks on.
cuts = {1: [0, n], 2: [0, 400, n], 3: [0, 900, 900, n], 4: [0, 1, 700, 1000, n]}[comm.size]
a, b = cuts[comm.rank], cuts[comm.rank + 1]


def digest(*arrays):
    return hashlib.md5(b"".join(np.ascontiguousarray(v).tobytes() for v in arrays)).hexdigest()


kinds = (np.arange(d) == 4).astype(np.uint8)
upper = binning.with_categories(binning.edges(x[a:b], d, a, comm, 0, sample=800), kinds)
own = binning.codes(x[a:b], upper)
whole = binning.share(own, comm)
lines = [digest(upper), digest(whole)]
variants = [{}, {"random_cuts": True, "bootstrap": False}, {"depth": 4, "leaf": 3, "features": d}]
for kind in (1, 2, 4):
    y = signal if kind == 1 else np.digitize(signal, [0] if kind == 2 else [-1, 0, 1])
    w = np.ones(n) if kind == 2 else weight
    goal = target.of_values(y[a:b], w[a:b], n, comm) if kind == 1 else target.of_classes(y[a:b], w[a:b], kind, comm)
    every = replace(goal, unit=comm.allgatherv(goal.unit))
    for variant in variants:
        keys = {"seed": 3, "depth": 0, "features": 3, "leaf": 1, "bootstrap": True, "random_cuts": False}
        keys |= {"kinds": kinds} | variant
        how = plan.Plan(**keys)
        mine = np.array_split(np.arange(5), comm.size)[comm.rank]
        dealt = trees.gather(over_trees.grow(whole, every, how, mine), comm)
        assert dealt.starts[-1] > 100
        for ship in (0, 150, 10**6):
            summed = over_rows.grow(own, a, goal, how, range(5), comm, ship)
            for name in ("node", "gain", "value", "sets", "starts"):
                np.testing.assert_array_equal(getattr(summed, name), getattr(dealt, name), f"{kind} {variant} {ship}")
        lines.append(digest(*vars(dealt).values()))
for classes in (0, 2, 4):
    y = signal if classes == 0 else np.digitize(signal, [0] if classes == 2 else [-1, 0, 1]).astype(float)
    problem = boost.Problem(own, y[a:b].astype(float), weight[a:b], classes, n)
    score = np.tile(boost.base(problem, comm), (b - a, 1))
    before = boost.loss(problem, score, comm)
    steps = boost.rounds(problem, score, plan.Plan(1, 4, d, 2, False, False, kinds, 1.0), 0.3, comm)
    grown = [next(steps) for _ in range(8)]
    after = boost.loss(problem, score, comm)
    assert after < 0.8 * before, "boosting lowers the loss"
    lines.append(digest(*(v for t in grown for v in vars(t).values())) + f" {after!r}")
train, held = boost.hold_out(problem, a, 0.2, 1, comm)
assert train.rows + held.rows == n and 200 < held.rows < 400
lines.append(f"{held.rows} {boost.exact_sum(held.weight[:, None], comm)[0]!r}")
out = trees.join([dealt])
lines.append(repr(oob.score(out, range(5), own, a, signal[a:b], 0, replace(how, bootstrap=True), comm)))
if comm.rank == 0:
    print("\\n".join(lines))
"""


@pytest.fixture(scope="module")
def alone(mpirun):
    return mpirun(1, PROGRAM, timeout=180).stdout.split("\n")


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_same_bits(mpirun, alone, ranks):
    assert len(alone) > 10
    assert mpirun(ranks, PROGRAM, timeout=180).stdout.split("\n") == alone
