"""Fully connected networks on dense rows; with no hidden layer they are the linear models.

`spec` is int64: loss, activation (0 ReLU, 1 tanh), then the widths (features, hidden ..., outputs).
The parameters lie layer by layer: weights (in, out), then biases (out,).
"""

from __future__ import annotations

import math

import numpy as np

from hpcfl.kernels.flags import jit, part
from hpcfl.kernels.loss import derivative
from hpcfl.kernels.matmul import DEPTH, STACK, matmul, matmul_tree, transpose
from hpcfl.kernels.tiles import prefetch

CHUNK = 512  # rows that are in work at a time: bounds the scratch memory of a full batch
AHEAD = 4  # rows that are asked for before they are copied


def work_size(spec: np.ndarray, rows: int) -> int:
    """Return the scratch elements that the kernels need for batches of `rows` rows."""
    widths = [int(v) for v in spec[2:]]
    turned = max([a * b for a, b in zip(widths[1:-1], widths[2:], strict=True)], default=0)
    return min(rows, CHUNK) * (sum(widths) + 2 * max(widths[1:])) + turned + STACK


@part
def gather(x, rows, affine, out):
    """Copy rows of `x` into `out` (m, d), converted to its dtype, shifted and scaled."""
    for i in range(min(AHEAD, rows.size)):
        prefetch(x, rows[i])
    for i in range(rows.size):
        r = rows[i]
        if i + AHEAD < rows.size:
            prefetch(x, rows[i + AHEAD])
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
        matmul(source, w[p : p + a * b].reshape(a, b), False, target)
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
def bias_sum(delta, add, out):
    """Write, or if `add` add, the column sums of `delta` to `out`."""
    if not add:
        out[:] = 0
    for i in range(delta.shape[0]):
        for j in range(out.size):
            out[j] += delta[i, j]


@part
def bias_tree(delta, bounds, stack, out):
    """Write the column sums of `delta` to `out`, groups of rows added in a binary tree as in `matmul_tree`."""
    width = stack.size // DEPTH
    for start in range(0, out.size, width):
        n = min(width, out.size - start)
        slots = stack[: DEPTH * n].reshape(DEPTH, n)
        top = 0
        for g in range(bounds.size - 1):
            bias_sum(delta[bounds[g] : bounds[g + 1], start : start + n], False, slots[top])
            top += 1
            done = g + 1
            while done % 2 == 0:
                top -= 1
                for j in range(n):
                    slots[top - 1, j] += slots[top, j]
                done //= 2
        out[start : start + n] = slots[0]


@part
def backward(w, spec, m, work, at, bounds, add, grad):
    """Go back through the layers from the derivative at work[at:], writing or adding to `grad`.

    With `bounds` the gradient is a tree sum over groups of rows, without (size 0) a plain one.
    """
    widest = 0
    for layer in range(3, spec.size):
        widest = max(widest, spec[layer])
    size, stack = m * widest, work[work.size - STACK :]
    base = at + m * spec[spec.size - 1]
    turned = base + 2 * size
    delta_at, p, flip = at, grad.size, 0
    for layer in range(spec.size - 2, 1, -1):
        a, b = spec[layer], spec[layer + 1]
        delta = work[delta_at : delta_at + m * b].reshape(m, b)
        at -= m * a
        source = work[at : at + m * a].reshape(m, a)
        p -= b
        biases = grad[p : p + b]
        p -= a * b
        target = grad[p : p + a * b].reshape(a, b)
        if bounds.size > 0:
            bias_tree(delta, bounds, stack, biases)
            matmul_tree(source.T, delta, bounds, stack, target)
        else:
            bias_sum(delta, add, biases)
            matmul(source.T, delta, add, target)
        if layer > 2:
            delta_at = base + flip * size
            flip = 1 - flip
            below = work[delta_at : delta_at + m * a].reshape(m, a)
            back = work[turned : turned + a * b].reshape(b, a)
            transpose(w[p : p + a * b].reshape(a, b), back)
            matmul(delta, back, False, below)
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
    for start in range(0, rows.size, CHUNK):
        batch = rows[start : start + CHUNK]
        m = batch.size
        gather(x, batch, affine, work[: m * spec[2]].reshape(m, spec[2]))
        at = forward(w, spec, m, work)
        z = work[at : at + m * spec[spec.size - 1]].reshape(m, spec[spec.size - 1])
        loss += derivative(spec[0], z, y, batch)
        backward(w, spec, m, work, at, spec[:0], start > 0, grad)
    return loss


@jit
def tree_grad(w, x, y, rows, bounds, affine, spec, work, losses, grad):
    """Write the gradient of at most `CHUNK` rows, groups of them added in a binary tree.

    Parameters
    ----------
    bounds : (groups + 1,) int64
        Places in `rows` where a group starts; a power of two of groups.
    losses : (groups,) float
        Output: the loss summed over each group.
    w, x, y, rows, affine, spec, work, grad
        As in `loss_grad`, for networks with more than one output or layer.
    """
    m, k = rows.size, spec[spec.size - 1]
    gather(x, rows, affine, work[: m * spec[2]].reshape(m, spec[2]))
    at = forward(w, spec, m, work)
    z = work[at : at + m * k].reshape(m, k)
    for g in range(losses.size):
        lo, hi = bounds[g], bounds[g + 1]
        losses[g] = derivative(spec[0], z[lo:hi], y, rows[lo:hi])
    backward(w, spec, m, work, at, bounds, False, grad)


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
