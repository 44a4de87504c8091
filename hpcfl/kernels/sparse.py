"""Linear models on CSR rows; `spec` as in `network`, with no hidden layer."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import jit, part
from hpcfl.kernels.loss import derivative
from hpcfl.kernels.prefetch import prefetch_run

AHEAD = 8  # rows that are asked for before they are used


@part
def look_ahead(x, r):
    """Ask for row `r`."""
    start, stop = x.indptr[r], x.indptr[r + 1]
    prefetch_run(x.indices, start, stop)
    prefetch_run(x.data, start, stop)


@part
def row(x, r):
    """Return the columns and values of row `r`; as unsigned numbers, columns need no check for a sign."""
    return x.indices[x.indptr[r] : x.indptr[r + 1]], x.data[x.indptr[r] : x.indptr[r + 1]]


@part
def row_scores(w, x, r, z):
    """Write the raw outputs of row `r` into `z` (1, k)."""
    k = z.shape[1]
    bias = w.size - k
    columns, values = row(x, r)
    for j in range(k):
        z[0, j] = w[bias + j]
    if k == 1:
        s = z[0, 0]
        for e in range(columns.size):
            s += values[e] * w[np.uint32(columns[e])]
        z[0, 0] = s
    else:
        for e in range(columns.size):
            v, at = values[e], np.uint64(columns[e]) * np.uint64(k)
            for j in range(k):
                z[0, j] += v * w[at + np.uint64(j)]


@jit
def loss_grad(w, x, y, rows, affine, spec, work, grad):
    """Return the loss summed over `rows` and write its gradient; arguments as in `network`.

    `x` is a CSR; `affine` is not used, since a shift would fill the zeros.
    """
    k = spec[3]
    z = work[:k].reshape(1, k)
    bias = w.size - k
    grad[:] = 0
    loss = 0.0
    for i in range(min(AHEAD, rows.size)):
        look_ahead(x, rows[i])
    for i in range(rows.size):
        r = rows[i]
        if i + AHEAD < rows.size:
            look_ahead(x, rows[i + AHEAD])
        row_scores(w, x, r, z)
        loss += derivative(spec[0], z, y, rows[i : i + 1])
        columns, values = row(x, r)
        if k == 1:
            g = z[0, 0]
            for e in range(columns.size):
                grad[np.uint32(columns[e])] += values[e] * g
        else:
            for e in range(columns.size):
                v, at = values[e], np.uint64(columns[e]) * np.uint64(k)
                for j in range(k):
                    grad[at + np.uint64(j)] += v * z[0, j]
        for j in range(k):
            grad[bias + j] += z[0, j]
    return loss


@jit
def scores(w, x, rows, affine, spec, work, out):
    """Write the raw outputs of `rows` into `out` (m, k); arguments as in `loss_grad`."""
    for i in range(rows.size):
        row_scores(w, x, rows[i], out[i : i + 1])
