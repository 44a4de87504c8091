"""Metrics over 1 to 4 ranks against scikit-learn on the same predictions, and their bits."""

import json
import warnings

import numpy as np
import pytest
from sklearn import metrics

SPREAD = """
import json, sys
import numpy as np
from hpcfl.comm.communicator import world
from hpcfl.metrics import accumulator
from tests.metrics.test_metrics import CASES, case

comm, out = world(), {}
for name in CASES:
    outputs, y, weight, task, options = case(name)
    # Uneven runs of rows, rank 0 with none where there are several, each added in two blocks.
    bounds = np.linspace(0, 1, comm.size) ** 2 if comm.size > 1 else np.array([0.0, 1.0])
    bounds = np.concatenate([[0.0], bounds])[-comm.size - 1 :]
    a, b = (bounds[comm.rank : comm.rank + 2] * len(y)).astype(int)
    found = accumulator(task, outputs.shape[1], **options)
    for start, stop in ((a, (a + b) // 2), ((a + b) // 2, b)):
        found.add(outputs[start:stop], y[start:stop], weight[start:stop])
    out[name] = found.result(comm)
if comm.rank == 0:
    print(json.dumps(out))
"""

CASES = (
    "binary", "ties", "weighted", "huge weights", "float32", "one class", "scores", "unranked",
    "multi", "missing classes", "multi weighted", "one row", "no rows",
    "values", "values weighted", "far values", "constant", "no values",
)  # fmt: skip


def case(name):
    """Return (outputs, y, weight, task, options) of a named case; the same on every rank."""
    rng = np.random.default_rng(len(name))
    n, k = {"one row": 1, "no rows": 0, "no values": 0}.get(name, 401), 6 if "m" in name[:2] else 2
    weight = rng.random(n) if "weighted" in name else np.ones(n)
    if "values" in name or name == "constant":
        y = rng.normal(size=n) + (1e7 if name == "far values" else 0.0)
        y = np.full(n, 0.1) if name == "constant" else y
        return (y + 0.3 * rng.normal(size=n))[:, None], y, weight, "regression", {}
    raw = rng.random((n, k)) + 1e-3
    if name == "ties":
        raw = np.round(raw, 1) + 0.05
    outputs = raw / raw.sum(axis=1, keepdims=True)
    y = np.where(rng.random(n) < 0.5, outputs.argmax(axis=1), rng.integers(0, k, n))
    if name == "missing classes":
        y = np.where((y == 2) | (y == 5), 3, y)
        outputs[:, 4:] *= 1e-3
        outputs /= outputs.sum(axis=1, keepdims=True)
    if name == "one class":
        y[:] = 1
    if name == "huge weights":
        weight = 10.0 ** rng.uniform(-9, 9, n)
    if name == "float32":
        outputs = outputs.astype(np.float32)
    if name == "scores":
        return np.stack([-4 * raw[:, 0], raw[:, 1]], axis=1), y, weight, "classification", {"probabilities": False}
    return outputs, y, weight, "classification", {"ranked": False} if name == "unranked" else {}


def expected(name):
    """Return what scikit-learn says of a case."""
    outputs, y, weight, task, options = case(name)
    kw = {"sample_weight": weight}
    if task == "regression":
        p = outputs[:, 0]
        rmse = metrics.root_mean_squared_error(y, p, **kw)
        return {"rmse": rmse, "mae": metrics.mean_absolute_error(y, p, **kw), "r2": metrics.r2_score(y, p, **kw)}
    labels, p = np.arange(outputs.shape[1]), outputs.argmax(axis=1)
    out = {
        "accuracy": metrics.accuracy_score(y, p, **kw),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, p, **kw),
        "macro_f1": metrics.f1_score(y, p, average="macro", **kw),
    }
    if options.get("probabilities", True):
        out["log_loss"] = metrics.log_loss(y, outputs, labels=labels, **kw)
    if len(labels) == 2 and options.get("ranked", True):
        score = outputs[:, 1] if "log_loss" in out else outputs[:, 1] - outputs[:, 0]
        out["auc"] = metrics.roc_auc_score(y, score, **kw) if len(set(y)) == 2 else np.nan
    return out | {"confusion": metrics.confusion_matrix(y, p, labels=labels, **kw).tolist()}


@pytest.fixture(scope="module")
def found(mpirun):
    """Return {ranks: {case: metrics}}, each from one run of all cases."""
    return {n: json.loads(mpirun(n, SPREAD).stdout) for n in (1, 2, 3, 4)}


@pytest.mark.parametrize("name", [c for c in CASES if not c.startswith("no ")])
def test_equal_to_scikit_learn(found, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = expected(name)
    assert list(found[1][name]) == list(want)
    for key, value in want.items():
        tolerance = 1e-6 if name == "float32" and key == "log_loss" else 1e-12
        np.testing.assert_allclose(found[1][name][key], value, rtol=tolerance, atol=1e-12, err_msg=key)


@pytest.mark.parametrize("name", CASES)
def test_same_bits_on_any_number_of_ranks(found, name):
    for n in (2, 3, 4):
        # NaN is unequal to itself, its text is not.
        assert json.dumps(found[n][name]) == json.dumps(found[1][name]), n


def test_no_rows_give_nan(found):
    assert np.isnan(found[2]["no rows"]["accuracy"])
    assert np.isnan(found[2]["no rows"]["auc"])
    assert found[2]["no rows"]["confusion"] == [[0, 0], [0, 0]]
    assert all(np.isnan(v) for v in found[2]["no values"].values())


def test_known_answers(mpirun):
    code = """
import numpy as np
from hpcfl.comm.communicator import world
from hpcfl.metrics import evaluate
comm = world()
p = np.array([0.1, 0.4, 0.35, 0.8])          # the textbook AUC of 0.75
got = evaluate(np.stack([1 - p, p], 1), np.array([0, 0, 1, 1]), np.ones(4), "classification", comm)
assert got["auc"] == 0.75 and got["accuracy"] == 0.75 and got["confusion"] == [[2, 0], [1, 1]], got
bad = evaluate(np.array([[np.nan, 0.5]]), np.array([1]), np.ones(1), "classification", comm)
assert bad["auc"] != bad["auc"], bad
far = evaluate(np.array([[1e300], [np.inf]]), np.zeros(2), np.ones(2), "regression", comm)
assert far["rmse"] == np.inf, far
"""
    mpirun(1, code)


def test_unknown_label_is_refused_on_all_ranks(mpirun):
    code = """
import numpy as np
from hpcfl.comm.communicator import world
from hpcfl.errors import DataError
from hpcfl.metrics import accumulator
comm = world()
try:
    with comm.together("scoring"):
        accumulator("classification", 3).add(np.ones((1, 3)), np.array([2 + comm.rank]), np.ones(1))
except DataError as error:
    print(error)
"""
    out = mpirun(2, code).stdout
    assert out.count("label 3: the model knows 0 to 2") == 2


def test_exact_sum_is_the_rounded_true_sum(mpirun):
    code = """
import math
import numpy as np
from hpcfl.comm.communicator import world
from hpcfl.metrics.exact import ExactSum, product
comm = world()
rng = np.random.default_rng(0)
v = rng.normal(size=3000) * 2.0 ** rng.integers(-300, 300, 3000)
v = np.concatenate([v, -v[:2999], [5e-324, -0.0, 1.0]])
found = ExactSum()
found.add(v[comm.rank :: comm.size])
assert float(found.fractions(comm)[0]) == math.fsum(v)
a, b = rng.normal(size=(2, 500))
from fractions import Fraction
for x, y, p, e in zip(a, b, *product(a, b)):
    assert Fraction(x) * Fraction(y) == Fraction(p) + Fraction(e)
cells = ExactSum(3)
cells.add(np.array([1.0, 2.0, 4.5]), np.array([2, 0, 2]))
assert (cells.totals(comm) == np.array([2.0, 0.0, 5.5]) * comm.size).all()
"""
    mpirun(3, code)


def test_the_auc_sort_is_balanced(mpirun):
    code = """
import numpy as np
from hpcfl.comm.communicator import world
from hpcfl.metrics.ranking import _exchange
comm = world()
n = 3000 if comm.rank == 0 else 50           # nearly all rows on one rank
score = np.sort(np.random.default_rng(comm.rank).random(n))
got, pos, neg = _exchange(score, np.ones(n, int), np.zeros(n, int), comm)
total = 3000 + 50 * (comm.size - 1)
assert len(got) <= 2 * total / comm.size + total / comm.size**2 + 1, len(got)
assert comm.sum(np.array([pos.sum()]))[0] == total
edges = comm.allgather(np.array([got[0], got[-1]]))
assert (np.diff(edges.ravel()) > 0).all(), edges
"""
    mpirun(4, code)
