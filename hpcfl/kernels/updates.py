"""Passes over flat vectors: gradient -> step. One pass each, so that memory is read once.

Every `step` has the signature (w, grad, scale, state, hyper, lr, t): parameters (P,), a vector (P,) that
times the number `scale` is the gradient, state (slots, P); `w` and `state` change in place; hyper float64;
learning rate; step from 1. Those named `_at` move some columns of a linear model, see `sgd_at`.
"""

from __future__ import annotations

import math

import numpy as np

from hpcfl.kernels.flags import jit


@jit
def finish(total, scale, w, ranges, l2, grad):
    """Turn a summed gradient into the objective's: ``grad = total * scale``, plus ``l2 * w`` on `ranges` (k, 2).

    Returns the penalty l2 / 2 * |w|^2.
    """
    penalty = 0.0
    for i in range(grad.size):
        grad[i] = total[i] * scale
    if l2 != 0:
        for r in range(ranges.shape[0]):
            part, slope = w[ranges[r, 0] : ranges[r, 1]], grad[ranges[r, 0] : ranges[r, 1]]
            for i in range(part.size):
                penalty += float(part[i]) * float(part[i])
                slope[i] += l2 * part[i]
    return 0.5 * l2 * penalty


@jit
def norm(v):
    """Return the L2 norm of `v`, summed in float64."""
    total = 0.0
    for i in range(v.size):
        total += float(v[i]) * float(v[i])
    return math.sqrt(total)


@jit
def sgd(w, grad, scale, state, hyper, lr, t):
    """SGD; hyper is momentum, nesterov, weight decay. The first step sets the momentum."""
    rate, decay, scale = w.dtype.type(lr), w.dtype.type(hyper[2]), w.dtype.type(scale)
    if hyper[0] == 0:
        for i in range(w.size):
            w[i] -= rate * (grad[i] * scale + decay * w[i])
        return
    momentum = w.dtype.type(hyper[0])
    v = state[0]
    if hyper[1] == 0:
        for i in range(w.size):
            v[i] = momentum * v[i] + (grad[i] * scale + decay * w[i])
            w[i] -= rate * v[i]
    else:
        for i in range(w.size):
            g = grad[i] * scale + decay * w[i]
            v[i] = momentum * v[i] + g
            w[i] -= rate * (g + momentum * v[i])


@jit
def adam(w, grad, scale, state, hyper, lr, t):
    """Adam; hyper is beta1, beta2, epsilon, weight decay in the gradient, decoupled decay, corrected."""
    kind = w.dtype.type
    b1, b2, eps, scale = kind(hyper[0]), kind(hyper[1]), kind(hyper[2]), kind(scale)
    c1 = 1 - hyper[0] ** t if hyper[5] != 0 else 1.0
    c2 = 1 - hyper[1] ** t if hyper[5] != 0 else 1.0
    rate, root = kind(lr / c1), kind(1 / math.sqrt(c2))
    coupled, kept = kind(hyper[3]), kind(1 - lr * hyper[4])
    m, v = state[0], state[1]
    for i in range(w.size):
        g = grad[i] * scale + coupled * w[i]
        m[i] = b1 * m[i] + (1 - b1) * g
        v[i] = b2 * v[i] + (1 - b2) * g * g
        w[i] = kept * w[i] - rate * m[i] / (math.sqrt(v[i]) * root + eps)


@jit
def yogi(w, grad, scale, state, hyper, lr, t):
    """Yogi; hyper is beta1, beta2, epsilon."""
    kind = w.dtype.type
    b1, b2, eps, rate, scale = kind(hyper[0]), kind(hyper[1]), kind(hyper[2]), kind(lr), kind(scale)
    m, v = state[0], state[1]
    for i in range(w.size):
        g = grad[i] * scale
        g2 = g * g
        m[i] = b1 * m[i] + (1 - b1) * g
        v[i] -= (1 - b2) * g2 * kind((v[i] > g2) * 1 - (v[i] < g2) * 1)
        w[i] -= rate * m[i] / (math.sqrt(v[i]) + eps)


@jit
def adagrad(w, grad, scale, state, hyper, lr, t):
    """Adagrad; hyper is epsilon."""
    eps, rate, scale = w.dtype.type(hyper[0]), w.dtype.type(lr), w.dtype.type(scale)
    v = state[0]
    for i in range(w.size):
        g = grad[i] * scale
        v[i] += g * g
        w[i] -= rate * g / (math.sqrt(v[i]) + eps)


ELEMENTWISE = sgd, adam, yogi, adagrad  # which move each parameter by its own gradient and state alone


@jit
def sgd_at(w, columns, values, scale, state, hyper, lr, t):
    """SGD without momentum and decay, at `columns` (n,); `values` (n, k) times `scale` is the gradient.

    The k parameters of a column lie side by side. The other arguments are those of every step.
    """
    k, rate, scale = values.shape[1], w.dtype.type(lr), w.dtype.type(scale)
    for i in range(columns.size):
        at = np.uint64(columns[i]) * np.uint64(k)
        for j in range(k):
            w[at + np.uint64(j)] -= rate * (values[i, j] * scale)


@jit
def adagrad_at(w, columns, values, scale, state, hyper, lr, t):
    """Adagrad of the parameters of some columns; arguments as in `sgd_at`."""
    eps, rate, scale = w.dtype.type(hyper[0]), w.dtype.type(lr), w.dtype.type(scale)
    k, v = values.shape[1], state[0]
    for i in range(columns.size):
        for j in range(k):
            at, g = np.uint64(columns[i]) * np.uint64(k) + np.uint64(j), values[i, j] * scale
            v[at] += g * g
            w[at] -= rate * g / (math.sqrt(v[at]) + eps)
