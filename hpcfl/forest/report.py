"""What a forest says beside its predictions: which features matter, and its out-of-bag score."""

from __future__ import annotations

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.forest import importance, oob
from hpcfl.forest.bench import Bench
from hpcfl.forest.judge import Judge
from hpcfl.forest.trees import Trees
from hpcfl.models.forest import add, finish


def importances(
    bench: Bench, trees: Trees, judge: Judge | None, arrays: dict[str, np.ndarray], seed: int, comm: Comm
) -> dict[str, np.ndarray]:
    """Return importances by impurity and, where they are asked for, by permutation, (d,) each (collective).

    `judge` holds the test rows; `arrays` are those of the model.
    """
    out = {"importance": importance.impurity(trees, bench.plan.kinds.size)}
    if not bench.rule.permutations or judge is None:
        return out
    y, packed = bench.test_y[:, 0], trees.packed()

    def score(codes: list[np.ndarray]) -> np.ndarray:
        sums = np.zeros((len(y), bench.outputs))
        add(arrays, packed, arrays["runs"], codes, sums)
        outputs = finish(arrays["base"] + float(arrays["factor"][0]) * sums, bench.attrs["link"])
        right = outputs.argmax(1) == y if bench.classes else -((outputs[:, 0] - y) ** 2)
        return np.asarray(right, np.float64)

    out["permutation_importance"] = importance.permutation(
        score, judge.codes, bench.rule.permutations, seed, bench.federated, comm
    )
    return out


def out_of_bag(bench: Bench, trees: Trees, runs: np.ndarray, comm: Comm) -> dict[str, float]:
    """Return the out-of-bag score, if it is asked for and there is one (collective).

    Where rows stay on their ranks, the trees of each rank are judged by its own rows.
    """
    if not bench.rule.oob or not bench.plan.bootstrap:
        return {}
    a, b = (runs[comm.rank], runs[comm.rank + 1]) if bench.federated else (0, trees.count)
    some, numbers = trees.part(a, b), np.arange(a, b)
    return {"oob": oob.score(some, numbers, bench.codes, bench.first, bench.y, bench.classes, bench.plan, comm)}
