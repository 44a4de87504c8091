"""Slow twins of the optimizers, as their papers write them."""

import numpy as np


def sgd(w, g, v, lr, momentum=0.0, nesterov=False, weight_decay=0.0):
    g = g + weight_decay * w
    v = momentum * v + g
    return w - lr * (g + momentum * v if nesterov else v), v


def adam(w, g, m, v, t, lr, b1=0.9, b2=0.999, eps=1e-8, decoupled=0.0, coupled=0.0, corrected=True):
    g = g + coupled * w
    m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
    c1, c2 = (1 - b1**t, 1 - b2**t) if corrected else (1, 1)
    return w - lr * decoupled * w - lr * (m / c1) / (np.sqrt(v / c2) + eps), m, v


def adagrad(w, g, v, lr, eps=1e-10):
    v = v + g * g
    return w - lr * g / (np.sqrt(v) + eps), v


def yogi(w, g, m, v, lr, b1=0.9, b2=0.99, eps=1e-3):
    m = b1 * m + (1 - b1) * g
    v = v - (1 - b2) * g * g * np.sign(v - g * g)
    return w - lr * m / (np.sqrt(v) + eps), m, v
