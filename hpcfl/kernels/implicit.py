"""Half a step of implicit alternating least squares: preferences 1, confidences from counts.

Row u minimizes, over all items i, ``sum c_ui (p_ui - p_u . q_i)^2 + reg |p_u|^2`` with p = 1 and
c = 1 + alpha r where there is a rating, p = 0 and c = 1 elsewhere (Hu, Koren, Volinsky 2008). The
part of the items without a rating is in the Gram matrix of all items. Layouts as in `als`; the
bias column of the factors is zero.
"""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.als import room
from hpcfl.kernels.copies import copy
from hpcfl.kernels.flags import jit, part
from hpcfl.kernels.gram import BLOCK, add_gram
from hpcfl.kernels.posdef import solve

CHUNK = 256  # ratings whose products are kept before they are added up


@jit
def cholesky(
    indptr: np.ndarray,
    index: np.ndarray,
    rating: np.ndarray,
    other: np.ndarray,
    full: np.ndarray,
    hyper: np.ndarray,
    out: np.ndarray,
) -> None:
    """Solve all rows exactly.

    Parameters
    ----------
    indptr, index, rating, other, out
        As in `als.explicit`; ratings are >= 0.
    full : (k, k) float
        Gram matrix of the other side's factors.
    hyper : (4,) float64
        Regularization, whether scaled by counts, alpha, CG steps.
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
        for start in range(indptr[u], indptr[u + 1], BLOCK):
            stop = min(start + BLOCK, indptr[u + 1])
            _gather(index[start:stop], rating[start:stop], other, hyper[2], block, sums)
            add_gram(block, stop - start, gram)
        for i in range(k):
            for j in range(i, k):
                system[i, j] = gram[i, j] + full[i, j]
            system[i, i] += hyper[0] * count if hyper[1] else hyper[0]
            system[i, p] = sums[1, i]
        for i in range(k, p):
            system[i, i] = 1
        solve(system, x)
        copy(x[: k + 1], out[u])


@part
def _gather(
    index: np.ndarray, rating: np.ndarray, other: np.ndarray, alpha: float, block: np.ndarray, sums: np.ndarray
) -> None:
    """Copy factors, each times the root of its confidence above 1, and add them times confidence."""
    k = other.shape[1] - 1
    for t in range(index.size):
        row, to = other[index[t]], block[t]
        extra = block.dtype.type(alpha * rating[t])
        root, confidence = extra**0.5, 1 + extra
        for j in range(k):
            to[j] = root * row[j]
            sums[1, j] += confidence * row[j]


@jit
def conjugate(
    indptr: np.ndarray,
    index: np.ndarray,
    rating: np.ndarray,
    other: np.ndarray,
    full: np.ndarray,
    hyper: np.ndarray,
    out: np.ndarray,
) -> None:
    """Improve all rows by a few steps of conjugate gradients (Takacs, Pilaszy, Tikk 2011).

    Parameters
    ----------
    indptr, index, rating, other, full, hyper
        As in `cholesky`.
    out : (n, k + 1) float
        In: where to start; output: the rows after hyper[3] steps.
    """
    k = full.shape[0]
    r, d, ad = np.empty(k, out.dtype), np.empty(k, out.dtype), np.empty(k, out.dtype)
    weight = np.empty(CHUNK, out.dtype)
    for u in range(indptr.size - 1):
        a, b = indptr[u], indptr[u + 1]
        if a == b:
            out[u] = 0
            continue
        x = out[u, :k]
        reg = out.dtype.type(hyper[0] * (b - a) if hyper[1] else hyper[0])
        _times(full, reg, x, r)
        _add_rated(index[a:b], rating[a:b], other, hyper[2], x, 1, weight, r)
        for j in range(k):
            r[j] = -r[j]
            d[j] = r[j]
        size = _dot(r, r)
        for _ in range(int(hyper[3])):
            if size < 1e-20:
                break
            _times(full, reg, d, ad)
            _add_rated(index[a:b], rating[a:b], other, hyper[2], d, 0, weight, ad)
            step = size / _dot(d, ad)
            for j in range(k):
                x[j] += step * d[j]
                r[j] -= step * ad[j]
            new = _dot(r, r)
            for j in range(k):
                d[j] = r[j] + new / size * d[j]
            size = new


@part
def _times(full: np.ndarray, reg: float, v: np.ndarray, out: np.ndarray) -> None:
    """Write ``full @ v + reg * v`` into `out`: the row's matrix times `v`, were nothing rated."""
    for i in range(out.size):
        out[i] = reg * v[i] + _dot(full[i], v)


@part
def _add_rated(
    index: np.ndarray,
    rating: np.ndarray,
    other: np.ndarray,
    alpha: float,
    v: np.ndarray,
    target: int,
    weight: np.ndarray,
    out: np.ndarray,
) -> None:
    """Add to `out` what rated items add to the row's matrix times `v`, less `target` times its right side.

    `weight` (CHUNK,) is scratch. All products of a chunk first, then all sums, four rows at a time: in one
    loop each row would wait for the product and the sums of the row before it, which takes twice as long.
    """
    k = out.size
    for start in range(0, index.size, CHUNK):
        at, n = index[start : start + CHUNK], min(CHUNK, index.size - start)
        for t in range(n):
            extra = out.dtype.type(alpha * rating[start + t])
            weight[t] = extra * _dot(other[at[t], :k], v) - target * (1 + extra)
        fours = n // 4 * 4
        for t in range(0, fours, 4):
            w0, w1, w2, w3 = weight[t], weight[t + 1], weight[t + 2], weight[t + 3]
            a, b, c, d = other[at[t]], other[at[t + 1]], other[at[t + 2]], other[at[t + 3]]
            for j in range(k):
                out[j] += w0 * a[j] + w1 * b[j] + w2 * c[j] + w3 * d[j]
        for t in range(fours, n):
            row = other[at[t]]
            for j in range(k):
                out[j] += weight[t] * row[j]


@part
def _dot(a: np.ndarray, b: np.ndarray) -> float:
    s = a.dtype.type(0)
    for j in range(a.size):
        s += a[j] * b[j]
    return s
