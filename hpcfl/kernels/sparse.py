"""Linear models on CSR rows; `spec` as in `network`, with no hidden layer."""

from __future__ import annotations

from hpcfl.kernels.flags import jit, part
from hpcfl.kernels.loss import derivative


@part
def row_scores(w, x, r, z):
    """Write the raw outputs of row `r` into `z` (1, k)."""
    k = z.shape[1]
    bias = w.size - k
    for j in range(k):
        z[0, j] = w[bias + j]
    if k == 1:
        s = z[0, 0]
        for e in range(x.indptr[r], x.indptr[r + 1]):
            s += x.data[e] * w[x.indices[e]]
        z[0, 0] = s
    else:
        for e in range(x.indptr[r], x.indptr[r + 1]):
            v, at = x.data[e], x.indices[e] * k
            for j in range(k):
                z[0, j] += v * w[at + j]


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
    for i in range(rows.size):
        r = rows[i]
        row_scores(w, x, r, z)
        loss += derivative(spec[0], z, y, rows[i : i + 1])
        if k == 1:
            g = z[0, 0]
            for e in range(x.indptr[r], x.indptr[r + 1]):
                grad[x.indices[e]] += x.data[e] * g
        else:
            for e in range(x.indptr[r], x.indptr[r + 1]):
                v, at = x.data[e], x.indices[e] * k
                for j in range(k):
                    grad[at + j] += v * z[0, j]
        for j in range(k):
            grad[bias + j] += z[0, j]
    return loss


@jit
def scores(w, x, rows, affine, spec, work, out):
    """Write the raw outputs of `rows` into `out` (m, k); arguments as in `loss_grad`."""
    for i in range(rows.size):
        row_scores(w, x, rows[i], out[i : i + 1])
