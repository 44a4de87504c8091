"""Convolutional networks on dense rows: convolutions with max-pooling, then fully connected layers.

`spec` is made by `specify`: int64, HEAD numbers, then WIDE numbers a layer: kind (CONV, DENSE),
height, width and channels of what goes in, size of the kernel, of the padding and of the pooling, then height,
width and channels of what comes out. A dense layer has one pixel: 1, 0 and 1 in the middle. The parameters lie
layer by layer: weights (k, k, channels in, out) or (in, out), then biases (out,).
"""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.conv import (
    HEIGHT,
    IN,
    KERNEL,
    KIND,
    OUT,
    OUT_HEIGHT,
    OUT_WIDTH,
    PAD,
    PANEL,
    POOL,
    WIDTH,
    convolve,
    convolve_back,
)
from hpcfl.kernels.copies import copy
from hpcfl.kernels.flags import jit, part
from hpcfl.kernels.layers import activate, back_activation, bias_sum, gather
from hpcfl.kernels.loss import derivative
from hpcfl.kernels.matmul import matmul, transpose

CONV, DENSE = 0, 1
HEAD, WIDE = 6, 10
LOSS, ACTIVATION, LAYERS, MOST, SPARE, SCRATCH = range(HEAD)  # MOST: outputs of a layer
CHUNK = 64  # rows that are in work at a time: bounds the scratch memory of a full batch


def specify(loss: int, activation: int, layers: list[tuple[int, ...]]) -> np.ndarray:
    """Return the `spec` of a network from the numbers of its layers."""
    table = np.array(layers, np.int64)
    weights, unit = table[:, KERNEL] ** 2 * table[:, IN], table[:, POOL] ** 2 * table[:, OUT_WIDTH]
    lines = np.minimum(np.maximum(PANEL // (unit * weights), 1), table[:, OUT_HEIGHT])
    image = (table[:, HEIGHT:IN] + 2 * table[:, PAD : PAD + 1]).prod(axis=1) * table[:, IN]
    scratch = np.where(table[:, KIND] == CONV, 2 * image + unit * lines * (weights + table[:, OUT]), 0)
    turned = np.where(table[:, KIND] == CONV, weights * table[:, OUT], CHUNK * (weights + table[:, OUT]))
    sizes = table[:, OUT_HEIGHT:].prod(axis=1).max(), turned.max(), scratch.max()
    return np.array([loss, activation, len(layers), *sizes, *table.ravel()], np.int64)


def work_size(spec: np.ndarray, rows: int) -> int:
    """Return the scratch elements that `loss_grad` and `scores` need for batches of `rows` rows."""
    layers = spec[HEAD:].reshape(-1, WIDE)
    values = layers[0, HEIGHT : IN + 1].prod() + 2 * layers[:, OUT_HEIGHT:].prod(axis=1).sum() + 2 * spec[MOST]
    return int(spec[SPARE] + spec[SCRATCH] + min(rows, CHUNK) * values)


@part
def layer_of(spec, i):
    """Return the numbers of layer `i`, its inputs and outputs per row, and the rows of its weights."""
    s = spec[HEAD + i * WIDE : HEAD + (i + 1) * WIDE]
    return s, s[HEIGHT] * s[WIDTH] * s[IN], s[OUT_HEIGHT] * s[OUT_WIDTH] * s[OUT], s[KERNEL] * s[KERNEL] * s[IN]


@part
def shares(spec, work):
    """Return the parts of `work`: for what is transposed, for an image, and for the layers."""
    a, b = spec[SPARE], spec[SPARE] + spec[SCRATCH]
    return work[:a], work[a:b], work[b:]


@part
def forward(w, spec, m, work):
    """Run the layers over m rows, which lie at the start of their part of `work`; return where the last output lies.

    Behind a layer's input lies its `place` (see `hpcfl.kernels.conv.pooled`), then its output.
    """
    (_, scratch, values), at, p = shares(spec, work), 0, 0
    for i in range(spec[LAYERS]):
        s, inputs, outputs, a = layer_of(spec, i)
        b = s[OUT]
        x = values[at : at + m * inputs]
        at += m * inputs
        place = values[at : at + m * outputs].reshape(m, s[OUT_HEIGHT], s[OUT_WIDTH], b)
        at += m * outputs
        out = values[at : at + m * outputs]
        weights, bias = w[p : p + a * b].reshape(a, b), w[p + a * b : p + a * b + b]
        p += a * b + b
        if s[KIND] == CONV:
            images, maps = x.reshape(m, s[HEIGHT], s[WIDTH], s[IN]), out.reshape(place.shape)
            for r in range(m):
                convolve(spec[ACTIVATION], images[r], weights, bias, s, scratch, maps[r], place[r])
        else:
            matmul(x.reshape(m, a), weights, 0, False, out.reshape(m, b))
            activate(spec[ACTIVATION], out.reshape(m, b), bias, i == spec[LAYERS] - 1)
    return at


@part
def backward(w, spec, m, work, at, add, grad):
    """Go back through the layers from the derivative at `at` (see `forward`), writing or adding to `grad`."""
    spare, scratch, values = shares(spec, work)
    deltas, p, delta_at = at + m * spec[spec.size - 1], grad.size, at
    for i in range(spec[LAYERS] - 1, -1, -1):
        s, inputs, outputs, a = layer_of(spec, i)
        b = s[OUT]
        delta = values[delta_at : delta_at + m * outputs]
        at -= m * outputs
        place = values[at : at + m * outputs].reshape(m, s[OUT_HEIGHT], s[OUT_WIDTH], b)
        at -= m * inputs
        x = values[at : at + m * inputs]
        p -= b
        bias_sum(delta.reshape(m * s[OUT_HEIGHT] * s[OUT_WIDTH], b), add, grad[p : p + b])
        p -= a * b
        target, weights = grad[p : p + a * b].reshape(a, b), w[p : p + a * b].reshape(a, b)
        delta_at = deltas + (i % 2) * m * spec[MOST]
        below = values[delta_at : delta_at + m * inputs * min(i, 1)]
        if s[KIND] == CONV:
            images, maps = x.reshape(m, s[HEIGHT], s[WIDTH], s[IN]), delta.reshape(place.shape)
            under = below.reshape(m, s[HEIGHT] * min(i, 1), s[WIDTH], s[IN])
            turned = spare[: a * b].reshape(b, a)
            transpose(weights, turned)
            for r in range(m):
                more = add or r > 0
                convolve_back(images[r], turned, s, scratch, maps[r], place[r], more, target, under[r])
        else:
            dense_back(x.reshape(m, a), weights, delta.reshape(m, b), spare, add, target, below)
        if i > 0:
            back_activation(spec[ACTIVATION], below.reshape(m, inputs), x.reshape(m, inputs))


@part
def dense_back(x, w, delta, spare, add, grad, below):
    """Go back through a fully connected layer; `below` is empty under the first."""
    (a, b), m = w.shape, x.shape[0]
    matmul(x.T, delta, 0, add, grad)
    if below.size > 0:  # w @ delta.T, since w.T would be the larger copy
        turned, out = spare[: b * m].reshape(b, m), spare[b * m : (a + b) * m].reshape(a, m)
        transpose(delta, turned)
        matmul(w, turned, 0, False, out)
        transpose(out, below.reshape(m, a))


@jit
def loss_grad(w, x, y, rows, affine, spec, work, grad):
    """Return the loss summed over `rows` and write its gradient; see `hpcfl.kernels.network.loss_grad`."""
    loss, d, k = 0.0, layer_of(spec, 0)[1], spec[spec.size - 1]
    values = shares(spec, work)[2]
    if rows.size == 0:
        grad[:] = 0
    for start in range(0, rows.size, CHUNK):
        batch = rows[start : start + CHUNK]
        m = batch.size
        gather(x, batch, affine, values[: m * d].reshape(m, d))
        at = forward(w, spec, m, work)
        loss += derivative(spec[LOSS], values[at : at + m * k].reshape(m, k), y, batch)
        backward(w, spec, m, work, at, start > 0, grad)
    return loss


@jit
def scores(w, x, rows, affine, spec, work, out):
    """Write the raw outputs of `rows` into `out` (m, k); arguments as in `loss_grad`."""
    d, k = layer_of(spec, 0)[1], spec[spec.size - 1]
    values = shares(spec, work)[2]
    for start in range(0, rows.size, CHUNK):
        batch = rows[start : start + CHUNK]
        m = batch.size
        gather(x, batch, affine, values[: m * d].reshape(m, d))
        at = forward(w, spec, m, work)
        copy(values[at : at + m * k], out[start : start + m].reshape(m * k))
