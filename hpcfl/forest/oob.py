"""Out-of-bag votes: each row judged by the trees that did not draw it."""

from __future__ import annotations

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.forest.plan import Plan
from hpcfl.forest.trees import Trees
from hpcfl.kernels import forest_rows
from hpcfl.kernels import order as orders

NEVER = 0.36787944117144233  # a row whose uniform draw is below exp(-1) is not in the bag


def score(trees: Trees, codes: np.ndarray, first: int, y: np.ndarray, classes: int, plan: Plan, comm: Comm) -> float:
    """Return the accuracy, or R2, over the rows of all ranks that some tree did not draw (collective).

    `codes` (n, d) and `y` (n,) are this rank's rows, of which the first is number `first` of all.
    """
    votes, count = np.zeros((len(codes), trees.value.shape[1])), np.zeros(len(codes))
    hashes, packed = np.empty(len(codes), np.uint64), trees.packed()
    for t in range(trees.count):
        orders.hashes(plan.bag(t), first, hashes)
        out = np.flatnonzero((hashes >> np.uint64(11)).astype(float) / 2.0**53 < NEVER).astype(np.int32)
        leaf = np.empty(out.size, np.int64)
        a, b = trees.starts[t], trees.starts[t + 1]
        forest_rows.leaves(packed[a:b], codes, out, leaf)
        votes[out] += trees.value[a + leaf]
        count[out] += 1
    seen = count > 0
    mean, y = votes[seen] / count[seen, None], y[seen]
    if classes:
        label = mean.argmax(1) if classes > 2 else mean[:, 0] > 0.5
        right = comm.sum(np.array([(label == y).sum(), y.size], np.int64), "out of bag")
        return float(right[0] / max(right[1], 1))
    sums = comm.sum(np.array([((mean[:, 0] - y) ** 2).sum(), y.sum(), (y**2).sum(), y.size]), "out of bag")
    return float(1 - sums[0] / max(sums[2] - sums[1] ** 2 / max(sums[3], 1), 1e-300))
