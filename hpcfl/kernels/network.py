"""Fully connected networks on dense rows; with no hidden layer they are the linear models.

`spec` is int64: loss, activation (0 ReLU, 1 tanh), then the widths (features, hidden ..., outputs).
The parameters lie layer by layer: weights (in, out), then biases (out,).
"""

from __future__ import annotations

import math

import numpy as np

from hpcfl.kernels.flags import jit, part
from hpcfl.kernels.loss import derivative

CHUNK = 512  # rows that are in work at a time: bounds the scratch memory of a full batch


def work_size(spec: np.ndarray, rows: int) -> int:
    """Return the scratch elements that `loss_grad` and `scores` need for batches of `rows` rows."""
    widths = [int(v) for v in spec[2:]]
    chunk = min(rows, CHUNK)
    spare = max(a * b for a, b in zip(widths[:-1], widths[1:], strict=True)) if rows > CHUNK else 0
    return chunk * (sum(widths) + 2 * max(widths[1:])) + spare


@part
def gather(x, rows, affine, out):
    """Copy rows of `x` into `out` (m, d), converted to its dtype, shifted and scaled."""
    for i in range(rows.size):
        r = rows[i]
        if affine.shape[1] == 0:
            for j in range(out.shape[1]):
                out[i, j] = x[r, j]
        else:
            for j in range(out.shape[1]):
                out[i, j] = (x[r, j] - affine[0, j]) * affine[1, j]


@part
def activate(kind, h, b, last):
    """Add the biases `b` to `h` (m, n) and, but for the last layer, apply the activation."""
    m, n = h.shape
    for i in range(m):
        if last:
            for j in range(n):
                h[i, j] += b[j]
        elif kind == 0:
            for j in range(n):
                v = h[i, j] + b[j]
                h[i, j] = v if not v <= 0 else v - v  # NaN and infinity stay visible
        else:
            for j in range(n):
                h[i, j] = math.tanh(h[i, j] + b[j])


@part
def forward(w, spec, m, work):
    """Run the layers over the m rows that lie at the start of `work`, each layer after the last."""
    at, p = 0, 0
    for layer in range(2, spec.size - 1):
        a, b = spec[layer], spec[layer + 1]
        source = work[at : at + m * a].reshape(m, a)
        at += m * a
        target = work[at : at + m * b].reshape(m, b)
        np.dot(source, w[p : p + a * b].reshape(a, b), target)
        p += a * b
        activate(spec[1], target, w[p : p + b], layer == spec.size - 2)
        p += b
    return at


@part
def back_activation(kind, delta, h):
    """Multiply `delta` by the activation's derivative, from its value `h`."""
    m, n = h.shape
    for i in range(m):
        if kind == 0:
            for j in range(n):
                delta[i, j] = delta[i, j] if h[i, j] > 0 else 0
        else:
            for j in range(n):
                delta[i, j] *= 1 - h[i, j] * h[i, j]


@part
def bias_sum(delta, first, out):
    """Write, or after the first chunk add, the column sums of `delta` to `out`."""
    if first:
        out[:] = 0
    for i in range(delta.shape[0]):
        for j in range(out.size):
            out[j] += delta[i, j]


@part
def backward(w, spec, m, work, at, first, spare, grad):
    """Go back through the layers from the derivative at work[at:], writing or adding to `grad`."""
    widest = 0
    for layer in range(3, spec.size):
        widest = max(widest, spec[layer])
    size = m * widest
    base = at + m * spec[spec.size - 1]
    delta_at, p, flip = at, grad.size, 0
    for layer in range(spec.size - 2, 1, -1):
        a, b = spec[layer], spec[layer + 1]
        delta = work[delta_at : delta_at + m * b].reshape(m, b)
        at -= m * a
        source = work[at : at + m * a].reshape(m, a)
        p -= b
        bias_sum(delta, first, grad[p : p + b])
        p -= a * b
        target = grad[p : p + a * b]
        if first:
            np.dot(source.T, delta, target.reshape(a, b))
        else:
            np.dot(source.T, delta, spare[: a * b].reshape(a, b))
            for i in range(a * b):
                target[i] += spare[i]
        if layer > 2:
            delta_at = base + flip * size
            flip = 1 - flip
            below = work[delta_at : delta_at + m * a].reshape(m, a)
            np.dot(delta, w[p : p + a * b].reshape(a, b).T, below)
            back_activation(spec[1], below, source)


@jit
def loss_grad(w, x, y, rows, affine, spec, work, grad):
    """Return the loss summed over `rows` and write its gradient.

    Parameters
    ----------
    w : (P,) float
        Parameters.
    x : (n, d) number
        The table, in any stored dtype.
    y : (n, 2) float
        Target and weight of each row.
    rows : (m,) int32
        Rows of the batch.
    affine : (2, d) or (2, 0) float
        Shift and scale of each feature, or none.
    spec : (3 + layers,) int64
        See the module.
    work : (work_size,) float
        Scratch.
    grad : (P,) float
        Output: the weighted gradient, summed over the rows.
    """
    loss = 0.0
    if rows.size == 0:
        grad[:] = 0
    if spec.size == 4 and spec[3] == 1:
        return single_output(w, x, y, rows, affine, spec[0], work, grad)
    spare = work[max(work.size - _largest(spec), 0) :]
    for start in range(0, rows.size, CHUNK):
        batch = rows[start : start + CHUNK]
        m = batch.size
        gather(x, batch, affine, work[: m * spec[2]].reshape(m, spec[2]))
        at = forward(w, spec, m, work)
        z = work[at : at + m * spec[spec.size - 1]].reshape(m, spec[spec.size - 1])
        loss += derivative(spec[0], z, y, batch)
        backward(w, spec, m, work, at, start == 0, spare, grad)
    return loss


@part
def _largest(spec):
    """Return the elements of the largest weight matrix."""
    most = 0
    for layer in range(2, spec.size - 1):
        most = max(most, spec[layer] * spec[layer + 1])
    return most


@part
def single_output(w, x, y, rows, affine, kind, work, grad):
    """Linear model with one output: two passes over each row while it is in cache, no matrix."""
    d = x.shape[1]
    row, z = work[:d].reshape(1, d), work[d : d + 1].reshape(1, 1)
    grad[:] = 0
    loss = 0.0
    for i in range(rows.size):
        batch = rows[i : i + 1]
        gather(x, batch, affine, row)
        s = w[d]
        for j in range(d):
            s += row[0, j] * w[j]
        z[0, 0] = s
        loss += derivative(kind, z, y, batch)
        g = z[0, 0]
        for j in range(d):
            grad[j] += g * row[0, j]
        grad[d] += g
    return loss


@jit
def scores(w, x, rows, affine, spec, work, out):
    """Write the raw outputs of `rows` into `out` (m, k); arguments as in `loss_grad`."""
    k = spec[spec.size - 1]
    for start in range(0, rows.size, CHUNK):
        batch = rows[start : start + CHUNK]
        m = batch.size
        gather(x, batch, affine, work[: m * spec[2]].reshape(m, spec[2]))
        at = forward(w, spec, m, work)
        out[start : start + m] = work[at : at + m * k].reshape(m, k)
