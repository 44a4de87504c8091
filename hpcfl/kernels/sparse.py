"""Linear models on CSR rows; `spec` as in `network`, with no hidden layer.

Rows are taken by chunks that stay in cache: all outputs, then the losses of all rows at once, then the way back.
Nothing is sliced row by row: an array that is made or passed on counts its references, atomically, 70 ns a row.
"""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.columns import WORD, clear, listed, mark, place
from hpcfl.kernels.flags import exact_part, jit, part
from hpcfl.kernels.loss import LOGISTIC, derivative, logistic32
from hpcfl.kernels.prefetch import prefetch_run
from hpcfl.kernels.views import matrix

AHEAD = 8  # rows that are asked for before they are used
ROWS, VALUES = 64, 4096  # of a chunk, at most


@exact_part
def span(indptr, r):
    """Return the places of row `r`'s values, unsigned: a place that may be negative is looked at each time."""
    return range(np.uint64(indptr[r]), np.uint64(indptr[r + 1]))


@part
def chunk_end(indptr, rows, a):
    """Return where the chunk ends that starts at place `a` of `rows`."""
    b, values = a, 0
    while b < rows.size and b - a < ROWS and values < VALUES:
        values += indptr[rows[b] + 1] - indptr[rows[b]]
        b += 1
    return b


@part
def look_ahead(indptr, indices, data, rows, a, b):
    """Ask for the rows at places `a` to `b` of `rows`, as far as there are any."""
    for i in range(a, min(b, rows.size)):
        r = rows[i]
        prefetch_run(indices, indptr[r], indptr[r + 1])
        prefetch_run(data, indptr[r], indptr[r + 1])


@exact_part
def outputs(w, indptr, indices, data, rows, a, b, z):
    """Write the raw outputs of the rows at places `a` to `b` of `rows` into `z` (b - a, k).

    As unsigned numbers, columns and places need no check for a sign, which took a third of the time. A vector of
    gathered elements takes longer than its elements one by one, hence the fixed order.
    """
    k = z.shape[1]
    bias = w.size - k
    for i in range(a, b):
        look_ahead(indptr, indices, data, rows, i + AHEAD, i + AHEAD + 1)
        r = rows[i]
        if k == 1:
            s = w[bias]
            for e in span(indptr, r):
                s += data[e] * w[np.uint32(indices[e])]
            z[i - a, 0] = s
        else:
            for j in range(k):
                z[i - a, j] = w[bias + j]
            for e in span(indptr, r):
                v, at = data[e], np.uint64(indices[e]) * np.uint64(k)
                for j in range(k):
                    z[i - a, j] += v * w[at + np.uint64(j)]


@part
def losses(kind, z, y, rows, work):
    """Replace the raw outputs `z` (m, k) of `rows` by derivatives and return the loss; `work` (2 m,) is scratch."""
    m = rows.size
    if kind != LOGISTIC or z.itemsize != 4:
        return derivative(kind, z, y, rows)
    for i in range(m):
        work[i], work[m + i] = y[rows[i], 0], y[rows[i], 1]
    return logistic32(z.reshape(m), work[:m], work[m : 2 * m])


@part
def forward(w, x, y, rows, a, b, spec, work):
    """Return the loss of the rows at places `a` to `b` of `rows`; their derivatives (b - a, k) come first in `work`."""
    k = spec[3]
    z = matrix(work, 0, b - a, k)
    outputs(w, x.indptr, x.indices, x.data, rows, a, b, z)
    return losses(spec[0], z, y, rows[a:b], work[(b - a) * k :])


@exact_part
def scatter(z, indptr, indices, data, rows, a, b, grad):
    """Add to `grad` the values of the rows at places `a` to `b` of `rows`, times the derivatives `z` (b - a, k)."""
    k = z.shape[1]
    bias = grad.size - k
    for i in range(a, b):
        r = rows[i]
        if k == 1:
            g = z[i - a, 0]
            for e in span(indptr, r):
                grad[np.uint32(indices[e])] += data[e] * g
        else:
            for e in span(indptr, r):
                v, at = data[e], np.uint64(indices[e]) * np.uint64(k)
                for j in range(k):
                    grad[at + np.uint64(j)] += v * z[i - a, j]
        for j in range(k):
            grad[bias + j] += z[i - a, j]


@jit
def loss_grad(w, x, y, rows, affine, spec, work, grad):
    """Return the loss summed over `rows` and write its gradient; arguments as in `network`.

    `x` is a CSR; `affine` is not used, since a shift would fill the zeros.
    """
    k, loss = spec[3], 0.0
    indptr, indices, data = x.indptr, x.indices, x.data
    look_ahead(indptr, indices, data, rows, 0, AHEAD)
    grad[:] = 0
    a = 0
    while a < rows.size:
        b = chunk_end(indptr, rows, a)
        loss += forward(w, x, y, rows, a, b, spec, work)
        z = matrix(work, 0, b - a, k)
        scatter(z, indptr, indices, data, rows, a, b, grad)
        a = b
    return loss


@jit
def scores(w, x, rows, affine, spec, work, out):
    """Write the raw outputs of `rows` into `out` (m, k); arguments as in `loss_grad`."""
    outputs(w, x.indptr, x.indices, x.data, rows, 0, rows.size, out)


@exact_part
def scatter_at(z, x, rows, a, b, held, values):
    """Add what `scatter` adds, to the `values` of the columns of the set `held` (see `columns`)."""
    k = z.shape[1]
    indptr, indices, data = x.indptr, x.indices, x.data
    bits, before = held.bits, held.before
    for i in range(a, b):
        r = rows[i]
        for e in span(indptr, r):
            v, c = data[e], np.uint64(np.uint32(indices[e]))
            at = place(bits[c >> WORD], before[c >> WORD], c) * np.uint64(k)
            for j in range(k):
                values[at + np.uint64(j)] += v * z[i - a, j]


@jit
def loss_grad_at(w, x, y, rows, spec, work, held, out):
    """Return the loss summed over `rows` and the number of columns that they have; write the gradient at those.

    Parameters
    ----------
    held : hpcfl.kernels.columns.Columns
        Scratch: the empty set of columns up to that of the biases.
    out : hpcfl.kernels.columns.Gradient
        Output. The biases are the column behind the last feature.
    w, x, y, rows, spec, work
        As in `loss_grad`.
    """
    d, k, loss = spec[2], spec[3], 0.0
    indptr, indices, data = x.indptr, x.indices, x.data
    columns, values = out.columns, out.values
    for i in range(rows.size):
        look_ahead(indptr, indices, data, rows, i + AHEAD, i + AHEAD + 1)
        mark(held.bits, held.groups, indices, indptr[rows[i]], indptr[rows[i] + 1])
    columns[0] = d
    mark(held.bits, held.groups, columns, 0, 1)
    n = listed(held.bits, held.groups, held.before, columns)
    values[: n * k] = 0
    a = 0
    while a < rows.size:
        b = chunk_end(indptr, rows, a)
        loss += forward(w, x, y, rows, a, b, spec, work)
        z = matrix(work, 0, b - a, k)
        scatter_at(z, x, rows, a, b, held, values)
        for i in range(b - a):
            for j in range(k):
                values[(n - 1) * k + j] += z[i, j]
        a = b
    clear(held.bits, held.groups, columns, n)
    return loss, n
