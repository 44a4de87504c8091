"""Out-of-bag votes: each row judged by the trees that did not draw it."""

from __future__ import annotations

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.forest.plan import Plan
from hpcfl.forest.trees import Trees
from hpcfl.kernels import forest_predict
from hpcfl.kernels import order as orders
from hpcfl.metrics.regression import Regression

NEVER = 0.36787944117144233  # a row whose uniform draw is below exp(-1) is not in the bag


def score(
    trees: Trees,
    numbers: np.ndarray,
    codes: np.ndarray,
    first: int,
    y: np.ndarray,
    classes: int,
    plan: Plan,
    comm: Comm,
) -> float:
    """Return the accuracy, or R2, over the rows of all ranks that some tree did not draw (collective).

    `codes` (n, d) and `y` (n,) are this rank's rows, of which the first is number `first` of all;
    `numbers` are those of the `trees`. The sums are exact, so the score depends on no rank.
    """
    votes, count = np.zeros((len(codes), trees.value.shape[1])), np.zeros(len(codes))
    hashes, leaf = np.empty(len(codes), np.uint64), np.empty(len(codes), np.uint32)
    packed = trees.packed()
    for t, number in enumerate(numbers):
        orders.hashes(plan.bag(int(number)), first, hashes)
        out = np.flatnonzero((hashes >> np.uint64(11)).astype(float) / 2.0**53 < NEVER).astype(np.uint32)
        a, b = trees.starts[t], trees.starts[t + 1]
        forest_predict.leaves(packed[a:b], trees.sets[a:b], codes, out, leaf)
        votes[out] += trees.value[a + leaf[out]]
        count[out] += 1
    seen = count > 0
    mean, y = votes[seen] / count[seen, None], y[seen]
    if classes:
        label = mean.argmax(1) if classes > 2 else mean[:, 0] > 0.5
        right = comm.sum(np.array([(label == y).sum(), y.size], np.int64), "out of bag")
        return float(right[0] / max(right[1], 1))
    found = Regression()
    found.add(mean, y, np.ones(y.size))
    return float(found.result(comm)["r2"])
