"""Half a step of alternating least squares: every row's factors from the other side's.

Ratings are compressed rows: row u has entries ``indptr[u]:indptr[u + 1]`` of `index` (rows of
the other side, int32) and `rating`. Factors are (n, k + 1): k factors, and the bias last. The
result of a row depends on its own ratings and their order alone, hence on no rank.
"""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.copies import copy
from hpcfl.kernels.flags import jit, part
from hpcfl.kernels.gram import BLOCK, PAD, add_gram
from hpcfl.kernels.posdef import PANEL, solve


@jit
def explicit(
    indptr: np.ndarray,
    index: np.ndarray,
    rating: np.ndarray,
    other: np.ndarray,
    hyper: np.ndarray,
    out: np.ndarray,
) -> None:
    """Solve all rows for observed ratings (Zhou, Wilkinson, Schreiber, Pan 2008), biases included.

    Row u minimizes ``sum_i (r - mean - bias_i - bias_u - p_u . q_i)^2 + reg |(p_u, bias_u)|^2`` over
    its factors and its bias at once, reg times its number of ratings if scaled by counts.

    Parameters
    ----------
    indptr : (n + 1,) int64
    index : (m,) int32
    rating : (m,) float
    other : (n_other, k + 1) float
    hyper : (4,) float64
        Regularization, whether scaled by counts, whether there are biases, mean.
    out : (n, k + 1) float
        Output; zeros for a row without ratings.
    """
    k = out.shape[1] - 1
    block, gram, sums, system, x = room(out)
    p = x.size
    for u in range(indptr.size - 1):
        count = indptr[u + 1] - indptr[u]
        if count == 0:
            out[u] = 0
            continue
        system[:] = 0
        gram[:] = 0
        sums[:] = 0
        rest = out.dtype.type(0)
        for start in range(indptr[u], indptr[u + 1], BLOCK):
            stop = min(start + BLOCK, indptr[u + 1])
            rest += _gather(index[start:stop], rating[start:stop], other, hyper[3], block, sums)
            add_gram(block, stop - start, gram)
        for i in range(k):
            copy(gram[i, i:k], system[i, i:k])
            system[i, p] = sums[1, i]
        if hyper[2]:
            copy(sums[0, :k], system[:k, k])
            system[k, k], system[k, p] = count, rest
        _regularize(system, k + int(hyper[2]), hyper[0] * count if hyper[1] else hyper[0])
        solve(system, x)
        copy(x[: k + 1], out[u])


@part
def room(out: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return scratch for rows of `out` (n, k + 1).

    Returns
    -------
    block : (BLOCK, w), gram : (w, w), sums : (2, w)
        Rows that are gathered, zero past column k, and their sums; w is k rounded up to `gram.PAD`.
    system : (p, p + 1), x : (p,)
        Equations and their solution; p is k + 1 rounded up to `posdef.PANEL`.
    """
    k, kind = out.shape[1] - 1, out.dtype
    w, p = -(-k // PAD) * PAD, -(-(k + 1) // PANEL) * PANEL
    equations = np.empty((p, p + 1), kind), np.empty(p, kind)
    return np.zeros((BLOCK, w), kind), np.empty((w, w), kind), np.empty((2, w), kind), *equations


@part
def _gather(
    index: np.ndarray, rating: np.ndarray, other: np.ndarray, mean: float, block: np.ndarray, sums: np.ndarray
) -> float:
    """Copy the factors of `index` into `block`; add up them, and them times what is left of the ratings."""
    k = other.shape[1] - 1
    total = block.dtype.type(0)
    for t in range(index.size):
        row, to = other[index[t]], block[t]
        e = block.dtype.type(rating[t] - mean - row[k])
        total += e
        for j in range(k):
            f = row[j]
            to[j] = f
            sums[0, j] += f
            sums[1, j] += e * f
    return total


@part
def _regularize(system: np.ndarray, used: int, reg: float) -> None:
    """Add `reg` to the diagonal; variables past `used` are tied to zero."""
    for i in range(used):
        system[i, i] += reg
    for i in range(used, system.shape[0]):
        system[i, i] = 1
