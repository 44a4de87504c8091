"""Softmax regression on few classes and many rows: vectors lie over the features, not over the classes.

Ten classes fill ten lanes of sixteen; 784 features fill 49 vectors. The weights are turned once a call, and the
gradient at its end. Rows are read where they lie in the table, some at a time, so that the way back has them in cache.
"""

from __future__ import annotations

import numpy as np

from hpcfl.kernels import narrow
from hpcfl.kernels.flags import part
from hpcfl.kernels.layers import gather
from hpcfl.kernels.thin_loss import derivative
from hpcfl.kernels.thin_tiles import HEIGHT, address, gradients, outputs
from hpcfl.kernels.thin_turn import CLASSES, LANES, turn, turn_back
from hpcfl.kernels.views import matrix

BLOCK = 32  # rows that are in work at a time: 16 took 5 % longer, 64 as long
TALL = -(-LANES // CLASSES) * CLASSES  # rows of a matrix that has one a class: as many as whole tiles reach to


@part
def serves(classes, rows, x, w):
    """Return whether `softmax_grad` is for so many classes and rows of the table `x`.

    Matrix products were never quicker: 1.1 times as long for 784 features, 16 classes and 11 rows, 2 to 4 times from 64
    rows on, for 16 features too. `narrow` is quicker for what it serves; with one to four rows there is little between.
    """
    return classes <= LANES and rows > narrow.MOST and w.itemsize == 4


def work_size(features: int, classes: int, rows: int) -> int:
    """Return the scratch elements of `softmax_grad`, 0 where it does not serve."""
    if classes > LANES or rows <= narrow.MOST:
        return 0
    across = -(-features // LANES) * LANES
    return LANES + 2 * TALL * across + (TALL + 2) * BLOCK + 2 * (BLOCK + HEIGHT) + BLOCK * features


@part
def softmax_grad(w, x, y, rows, affine, work, grad):
    """Do what `network.loss_grad` does for one layer; an element of the gradient is one chain over the rows."""
    d = x.shape[1]
    k = w.size // (d + 1)
    weights, sums, z, known, places, copy = _scratch(work, d)
    turn(matrix(w, 0, d, k), weights)
    biases, out = w[d * k :], grad[d * k :]
    out[:] = 0
    loss = 0.0
    for start in range(0, rows.size, BLOCK):
        m = min(BLOCK, rows.size - start)
        _find(x, y, rows[start:], affine, known, copy[:m], places)
        for i in range(0, m, HEIGHT):
            for j in range(0, k, CLASSES):
                outputs(places, i, weights, j, d, z)
        for i in range(0, m, LANES):
            loss += derivative(z, i, m - i, known, biases, out)
        for j in range(0, k, CLASSES):
            gradients(places, m, z, j, d, start > 0, sums)
    turn_back(sums, matrix(grad, 0, d, k))
    return loss


@part
def _scratch(work, d):
    """Return the parts of `work`; the first ones start at a cache line, so that a vector of theirs lies in one."""
    at = (-address(work) // 4) % LANES
    size = TALL * ((d + LANES - 1) // LANES * LANES)
    weights = work[at : at + size]
    at += size
    sums = work[at : at + size]
    at += size
    z = matrix(work, at, TALL, BLOCK)
    at += TALL * BLOCK
    known = matrix(work, at, 2, BLOCK)
    at += 2 * BLOCK
    places = work[at : at + 2 * (BLOCK + HEIGHT)].view(np.int64)
    at += 2 * (BLOCK + HEIGHT)
    return weights, sums, z, known, places, matrix(work, at, BLOCK, d)


@part
def _find(x, y, rows, affine, known, copy, places):
    """Write the addresses of a block's rows, and of a tile more, to `places`; their labels and weights to `known`.

    Rows that are to be converted, shifted or scaled are copied. Past the last row it is the last one once more.
    """
    m = copy.shape[0]
    if affine.shape[1] == 0 and x.dtype == copy.dtype:
        for i in range(BLOCK + HEIGHT):
            places[i] = address(x) + x.strides[0] * rows[min(i, rows.size - 1)]
    else:
        gather(x, rows[:m], affine, copy)
        for i in range(BLOCK + HEIGHT):
            places[i] = address(copy) + copy.strides[0] * min(i, m - 1)
    for i in range(m):
        known[0, i], known[1, i] = y[rows[i], 0], y[rows[i], 1]
