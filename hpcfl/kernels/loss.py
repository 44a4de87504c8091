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
def log1p32(x):
    """Return log(1 + x) in float32 to 1e-7 relative for x in [0, 1], in code that vectorizes.

    With s = x / (2 + x), at most 1/3, it is 2 artanh(s) = 2 (s + s^3 / 3 + s^5 / 5 + ...).
    """
    s = x / (np.float32(2.0) + x)
    u = s * s
    p = np.float32(1 / 15)
    p = p * u + np.float32(1 / 13)
    p = p * u + np.float32(1 / 11)
    p = p * u + np.float32(1 / 9)
    p = p * u + np.float32(1 / 7)
    p = p * u + np.float32(1 / 5)
    p = p * u + np.float32(1 / 3)
    return np.float32(2.0) * (p * u * s + s)


@part
def exponentials(z):
    """Replace the elements of `z` (m, k), none above 0, by their exponentials, in one run over memory."""
    flat = z.reshape(z.size)
    if z.itemsize == 4:
        for j in range(flat.size):
            flat[j] = exp32(np.float32(flat[j])) + flat[j] * 0  # exp32 clamps, NaN is to stay
    else:
        for j in range(flat.size):
            flat[j] = math.exp(flat[j])


@part
def lower_rows(z):
    """Subtract from each row of `z` (m, k) its largest element; a row that is not finite becomes NaN."""
    m, k = z.shape
    for i in range(m):
        top = z[i, 0]
        for j in range(1, k):
            top = max(top, z[i, j])
        bad = top - top
        for j in range(k):
            bad += z[i, j] * 0  # NaN where the row holds NaN or infinity
        for j in range(k):
            z[i, j] -= top - bad


@part
def softmax_loss(z, y, rows):
    """Replace raw outputs by the derivative of minus the log of the label's probability; return the sum of it."""
    m, k = z.shape
    loss = 0.0
    lower_rows(z)
    for i in range(m):
        loss -= y[rows[i], 1] * z[i, int(y[rows[i], 0])]
    exponentials(z)
    for i in range(m):
        r, total = rows[i], z[i, 0]
        for j in range(1, k):
            total += z[i, j]
        loss += y[r, 1] * math.log(total)
        scale = y[r, 1] / total
        for j in range(k):
            z[i, j] *= scale
        z[i, int(y[r, 0])] -= y[r, 1]
    return loss


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
    if kind == SOFTMAX:
        return softmax_loss(z, y, rows)
    loss = 0.0
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


@part
def logistic32(z, target, weight):
    """Do what `derivative` does for LOGISTIC, for float32 vectors (m,) that lie side by side: many rows at a time."""
    loss = 0.0
    for i in range(z.size):
        sign = np.float32(2.0) * target[i] - np.float32(1.0)
        margin = sign * z[i]
        e = exp32(-abs(margin)) + margin * np.float32(0.0)  # exp32 clamps, NaN is to stay
        p = (np.float32(1.0) if margin < 0 else e) / (np.float32(1.0) + e)  # probability of the other class
        loss += weight[i] * (log1p32(e) + max(-margin, np.float32(0.0)))
        z[i] = -weight[i] * sign * p
    return loss
