"""Passes over flat vectors: gradient -> step. One pass each, so that memory is read once.

Every `step` has the signature (w, grad, state, hyper, lr, t): parameters (P,), gradient (P,),
state (slots, P), all changed in place but `grad`; hyper float64; learning rate; step from 1.
"""

from __future__ import annotations

import math

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
            for i in range(ranges[r, 0], ranges[r, 1]):
                penalty += float(w[i]) * float(w[i])
                grad[i] += l2 * w[i]
    return 0.5 * l2 * penalty


@jit
def norm(v):
    """Return the L2 norm of `v`, summed in float64."""
    total = 0.0
    for i in range(v.size):
        total += float(v[i]) * float(v[i])
    return math.sqrt(total)


@jit
def sgd(w, grad, state, hyper, lr, t):
    """SGD; hyper is momentum, nesterov, weight decay. The first step sets the momentum."""
    rate, decay = w.dtype.type(lr), w.dtype.type(hyper[2])
    if hyper[0] == 0:
        for i in range(w.size):
            w[i] -= rate * (grad[i] + decay * w[i])
        return
    momentum = w.dtype.type(hyper[0])
    v = state[0]
    if hyper[1] == 0:
        for i in range(w.size):
            v[i] = momentum * v[i] + (grad[i] + decay * w[i])
            w[i] -= rate * v[i]
    else:
        for i in range(w.size):
            g = grad[i] + decay * w[i]
            v[i] = momentum * v[i] + g
            w[i] -= rate * (g + momentum * v[i])


@jit
def adam(w, grad, state, hyper, lr, t):
    """Adam; hyper is beta1, beta2, epsilon, weight decay in the gradient, decoupled decay, corrected."""
    kind = w.dtype.type
    b1, b2, eps = kind(hyper[0]), kind(hyper[1]), kind(hyper[2])
    c1 = 1 - hyper[0] ** t if hyper[5] != 0 else 1.0
    c2 = 1 - hyper[1] ** t if hyper[5] != 0 else 1.0
    rate, root = kind(lr / c1), kind(1 / math.sqrt(c2))
    coupled, kept = kind(hyper[3]), kind(1 - lr * hyper[4])
    m, v = state[0], state[1]
    for i in range(w.size):
        g = grad[i] + coupled * w[i]
        m[i] = b1 * m[i] + (1 - b1) * g
        v[i] = b2 * v[i] + (1 - b2) * g * g
        w[i] = kept * w[i] - rate * m[i] / (math.sqrt(v[i]) * root + eps)


@jit
def yogi(w, grad, state, hyper, lr, t):
    """Yogi; hyper is beta1, beta2, epsilon."""
    kind = w.dtype.type
    b1, b2, eps, rate = kind(hyper[0]), kind(hyper[1]), kind(hyper[2]), kind(lr)
    m, v = state[0], state[1]
    for i in range(w.size):
        g2 = grad[i] * grad[i]
        m[i] = b1 * m[i] + (1 - b1) * grad[i]
        v[i] -= (1 - b2) * g2 * kind((v[i] > g2) * 1 - (v[i] < g2) * 1)
        w[i] -= rate * m[i] / (math.sqrt(v[i]) + eps)


@jit
def adagrad(w, grad, state, hyper, lr, t):
    """Adagrad; hyper is epsilon."""
    eps, rate = w.dtype.type(hyper[0]), w.dtype.type(lr)
    v = state[0]
    for i in range(w.size):
        v[i] += grad[i] * grad[i]
        w[i] -= rate * grad[i] / (math.sqrt(v[i]) + eps)
