"""Linear models with one output on dense rows; `spec` and arguments as in `network`, which takes long to compile."""

from __future__ import annotations

from hpcfl.kernels.flags import jit
from hpcfl.kernels.layers import gather
from hpcfl.kernels.lent import lent
from hpcfl.kernels.loss import derivative
from hpcfl.kernels.views import matrix


@jit
def loss_grad(w, x, y, rows, affine, spec, work, grad):
    """Return the loss and write the gradient, in two passes over each row while it is in cache, without a matrix."""
    w, x, y, rows = lent(w), lent(x), lent(y), lent(rows)
    affine, spec, work, grad = lent(affine), lent(spec), lent(work), lent(grad)
    d = x.shape[1]
    row, z = matrix(work, 0, 1, d), matrix(work, d, 1, 1)
    grad[:] = 0
    loss = 0.0
    for i in range(rows.size):
        batch = rows[i : i + 1]
        gather(x, batch, affine, row)
        s = w[d]
        for j in range(d):
            s += row[0, j] * w[j]
        z[0, 0] = s
        loss += derivative(spec[0], z, y, batch)
        g = z[0, 0]
        for j in range(d):
            grad[j] += g * row[0, j]
        grad[d] += g
    return loss
