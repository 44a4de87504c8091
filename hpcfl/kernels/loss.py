"""Losses of a batch's raw outputs, and their derivatives in place."""

from __future__ import annotations

import math

import numpy as np

from hpcfl.kernels.flags import part

SQUARED, LOGISTIC, SOFTMAX, SQUARED_HINGE = 0, 1, 2, 3


@part
def exp32(x):
    """Return exp(x) in float32 to 1e-7 relative, in code that vectorizes (no SVML in the wheel).

    Cephes' expf: x = n ln 2 + r, a polynomial of degree 6 in r, 2^n by its bits.
    """
    x = min(max(x, np.float32(-87.0)), np.float32(88.0))
    n = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    r = x - n * np.float32(0.693359375) + n * np.float32(2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * r * r + r + np.float32(1.0)
    return p * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)


@part
def softmax_rows(z):
    """Replace each row of `z` (m, k) by its softmax; a row that is not finite becomes NaN."""
    m, k = z.shape
    for i in range(m):
        top = z[i, 0]
        for j in range(1, k):
            top = max(top, z[i, j])
        bad = top - top  # NaN where the row holds infinity: the clamp in exp32 would hide it
        for j in range(k):
            bad += z[i, j] * 0
            z[i, j] -= top
        if z.itemsize == 4:
            for j in range(k):
                z[i, j] = exp32(np.float32(z[i, j]))
        else:
            for j in range(k):
                z[i, j] = math.exp(z[i, j])
        total = z[i, 0]
        for j in range(1, k):
            total += z[i, j]
        scale = (bad + 1) / total
        for j in range(k):
            z[i, j] *= scale


@part
def derivative(kind, z, y, rows):
    """Replace raw outputs by the derivative of the loss and return the loss, summed over rows.

    Parameters
    ----------
    kind : int
        SQUARED: (z - y)^2 / 2. LOGISTIC: log(1 + exp(-sz)), s = 2y - 1. SOFTMAX: minus the log
        of the label's probability. SQUARED_HINGE: max(0, 1 - sz)^2.
    z : (m, k) float
        Raw outputs; k is 1 but for SOFTMAX.
    y : (n, 2) float
        Target and weight of each row of the table.
    rows : (m,) int32
        The rows of the table that z belongs to.
    """
    loss = 0.0
    if kind == SOFTMAX:
        for i in range(rows.size):
            r = rows[i]
            label = int(y[r, 0])
            zi = z[i : i + 1]
            top = z[i, 0]
            for j in range(1, z.shape[1]):
                top = max(top, z[i, j])
            gap = top - z[i, label]
            softmax_rows(zi)
            largest = z[i, 0]
            for j in range(1, z.shape[1]):
                largest = max(largest, z[i, j])
            loss += y[r, 1] * (gap - math.log(largest))  # log p of the largest: never log of 0
            for j in range(z.shape[1]):
                z[i, j] *= y[r, 1]
            z[i, label] -= y[r, 1]
        return loss
    for i in range(rows.size):
        t, weight, s = y[rows[i], 0], y[rows[i], 1], z[i, 0]
        if kind == SQUARED:
            loss += 0.5 * weight * float(s - t) ** 2
            z[i, 0] = weight * (s - t)
        elif kind == LOGISTIC:
            sign = 2 * t - 1
            e = math.exp(-abs(s))
            p = (1 if sign * s < 0 else e) / (1 + e)  # probability of the other class
            loss += weight * (math.log1p(e) + max(-sign * s, 0))
            z[i, 0] = -weight * sign * p
        else:
            sign = 2 * t - 1
            gap = max(1 - sign * s, 0)
            loss += weight * float(gap) ** 2
            z[i, 0] = -2 * weight * sign * gap + 0 * s
    return loss
