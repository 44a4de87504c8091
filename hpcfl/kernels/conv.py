"""A convolution with bias, max-pooling and activation, forward and back, over panels of patches."""

from __future__ import annotations

import math

from hpcfl.kernels.flags import part
from hpcfl.kernels.matmul import matmul
from hpcfl.kernels.patches import add_patches, cropped, padded, patches

KIND, HEIGHT, WIDTH, IN, KERNEL, PAD, POOL, OUT_HEIGHT, OUT_WIDTH, OUT = range(10)  # numbers of a layer
PANEL = 1 << 18  # elements of the patches that are laid out at a time


@part
def pooled(kind, z, b, out, place):
    """Write the largest value of each square of `z`, with bias and activation.

    Parameters
    ----------
    kind : int
        Activation: 0 ReLU, 1 tanh. Both are monotone, so they may follow the pooling.
    z : (units, pool, ow, pool, channels) float
        The convolution.
    b : (channels,) float
        Biases.
    out, place : (units, ow, channels) float
        Outputs: the values, and where in its square each was found (the first of equals).
    """
    pool = z.shape[1]
    for u in range(z.shape[0]):
        for j in range(z.shape[2]):
            best, where, start = out[u, j], place[u, j], z[u, 0, j, 0]
            for e in range(b.size):
                best[e] = start[e]
                where[e] = 0
            for q in range(1, pool * pool):
                values = z[u, q // pool, j, q % pool]
                for e in range(b.size):
                    larger = values[e] > best[e] or values[e] != values[e]  # NaN stays visible
                    best[e] = values[e] if larger else best[e]
                    where[e] = q if larger else where[e]
            if kind == 0:
                for e in range(b.size):
                    v = best[e] + b[e]
                    best[e] = v if not v <= 0 else v - v  # infinity too
            else:
                for e in range(b.size):
                    best[e] = math.tanh(best[e] + b[e])


@part
def unpooled(delta, place, dz):
    """Write to `dz` the derivative `delta` where the largest value was found, 0 elsewhere."""
    pool = dz.shape[1]
    for u in range(dz.shape[0]):
        for j in range(dz.shape[2]):
            d, where = delta[u, j], place[u, j]
            for q in range(pool * pool):
                target = dz[u, q // pool, j, q % pool]
                for e in range(d.size):
                    target[e] = d[e] if where[e] == q else 0


@part
def lines_at_a_time(layer):
    """Return how many lines of the pooled output a panel of patches serves."""
    return min(
        max(PANEL // (layer[POOL] ** 2 * layer[OUT_WIDTH] * layer[KERNEL] ** 2 * layer[IN]), 1), layer[OUT_HEIGHT]
    )


@part
def cut(layer, lines, scratch):
    """Return what an image needs of scratch: padded image, its derivative, patches and convolution of `lines`."""
    h, w, c, k, pool, pad = layer[HEIGHT], layer[WIDTH], layer[IN], layer[KERNEL], layer[POOL], layer[PAD]
    tall, wide, pixels = h + 2 * pad, w + 2 * pad, lines * pool * pool * layer[OUT_WIDTH]
    n = tall * wide * c
    image, below = scratch[:n].reshape(tall, wide, c), scratch[n : 2 * n].reshape(tall, wide, c)
    at = 2 * n + pixels * k * k * c
    col = scratch[2 * n : at].reshape(lines * pool, layer[OUT_WIDTH] * pool, k, k * c)
    return (
        image,
        below,
        col,
        scratch[at : at + pixels * layer[OUT]].reshape(lines, pool, layer[OUT_WIDTH], pool, layer[OUT]),
    )


@part
def convolve(kind, x, w, b, layer, scratch, out, place):
    """Convolve, pool and activate an image.

    Parameters
    ----------
    kind : int
        Activation, see `pooled`.
    x : (h, w, c) float
        The image.
    w, b : (k * k * c, channels), (channels,) float
        Weights and biases.
    layer : (10,) int64
        See `hpcfl.kernels.cnn`.
    scratch : float
        See `cut`.
    out, place : (oh, ow, channels) float
        Outputs, see `pooled`.
    """
    step, k, pool = lines_at_a_time(layer), layer[KERNEL], layer[POOL]
    for first in range(0, out.shape[0], step):
        lines = min(step, out.shape[0] - first)
        image, _, col, z = cut(layer, lines, scratch)
        if first == 0:
            padded(x, layer[PAD], image)
        patches(image, first * pool, k, col)
        pixels = lines * pool * pool * layer[OUT_WIDTH]
        matmul(col.reshape(pixels, w.shape[0]), w, 0, False, z.reshape(pixels, w.shape[1]))
        pooled(kind, z, b, out[first : first + lines], place[first : first + lines])


@part
def convolve_back(x, turned, layer, scratch, delta, place, add, grad, below):
    """Go back through the convolution of an image.

    Parameters
    ----------
    x, layer, scratch, place
        As for `convolve`.
    turned : (channels, k * k * c) float
        The weights, transposed.
    delta : (oh, ow, channels) float
        Derivative by what `pooled` wrote, before the activation.
    add : bool
        Whether `grad` is added to, and not written.
    grad : (k * k * c, channels) float
        Output: derivative by the weights.
    below : (h, w, c) or (0, w, c) float
        Output: derivative by the image, if there is room for it.
    """
    step, k, pool = lines_at_a_time(layer), layer[KERNEL], layer[POOL]
    for first in range(0, delta.shape[0], step):
        lines = min(step, delta.shape[0] - first)
        image, image_below, col, z = cut(layer, lines, scratch)
        if first == 0:
            padded(x, layer[PAD], image)
            if below.size > 0:
                image_below[:] = 0
        pixels = lines * pool * pool * layer[OUT_WIDTH]
        matrix, dz = col.reshape(pixels, grad.shape[0]), z.reshape(pixels, grad.shape[1])
        patches(image, first * pool, k, col)
        unpooled(delta[first : first + lines], place[first : first + lines], z)
        matmul(matrix.T, dz, 0, add or first > 0, grad)
        if below.size > 0:
            matmul(dz, turned, 0, False, matrix)
            add_patches(col, first * pool, k, image_below)
    if below.size > 0:
        cropped(image_below, layer[PAD], below)
