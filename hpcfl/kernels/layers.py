"""What a network is made of: rows gathered, layers forward, layers backward. See `network` for `spec`."""

from __future__ import annotations

import math

from hpcfl.kernels.copies import copy
from hpcfl.kernels.flags import part
from hpcfl.kernels.matmul import DEPTH, STACK, matmul, matmul_rows, matmul_tree, transpose
from hpcfl.kernels.prefetch import prefetch
from hpcfl.kernels.views import matrix

AHEAD = 4  # rows that are asked for before they are copied


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
def forward(w, x, rows, affine, spec, work):
    """Run the layers over rows of `x`, one after the other in `work` as the rows are; return where the last starts."""
    at, p, m = 0, 0, rows.size
    for layer in range(2, spec.size - 1):
        a, b = spec[layer], spec[layer + 1]
        source = matrix(work, at, m, a)
        at += m * a
        target = matrix(work, at, m, b)
        weights = matrix(w, p, a, b)
        done = 0
        if layer == 2 and affine.shape[1] == 0 and x.itemsize == w.itemsize:
            done = matmul_rows(x, rows, weights, source, target)
        elif layer == 2:
            gather(x, rows, affine, source)
        matmul(source, weights, done, False, target)
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
        slots = matrix(stack, 0, DEPTH, n)
        top = 0
        for g in range(bounds.size - 1):
            total, done = slots[top], g + 1
            total[:] = 0
            for i in range(bounds[g], bounds[g + 1]):  # not `bias_sum`: the compiler knows no stride of cut columns
                row = delta[i, start : start + n]
                for j in range(row.size):
                    total[j] += row[j]
            while done % 2 == 0:
                left, right = slots[top - 1], slots[top]
                for j in range(left.size):
                    left[j] += right[j]
                top -= 1
                done //= 2
            top += 1
        copy(slots[0], out[start : start + n])


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
        delta = matrix(work, delta_at, m, b)
        at -= m * a
        source = matrix(work, at, m, a)
        p -= b
        biases = grad[p : p + b]
        p -= a * b
        target = matrix(grad, p, a, b)
        if bounds.size > 0:
            bias_tree(delta, bounds, stack, biases)
            matmul_tree(source, delta, bounds, stack, target)
        else:
            bias_sum(delta, add, biases)
            matmul(source.T, delta, 0, add, target)
        if layer > 2:
            delta_at = base + flip * size
            flip = 1 - flip
            below = matrix(work, delta_at, m, a)
            back = matrix(work, turned, b, a)
            transpose(matrix(w, p, a, b), back)
            matmul(delta, back, 0, False, below)
            back_activation(spec[1], below, source)
