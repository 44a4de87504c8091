"""Slow twins of the kernels of networks: plain NumPy, float64, one row at a time where it matters."""

import numpy as np


def unpack(w, widths):
    layers, at = [], 0
    for a, b in zip(widths[:-1], widths[1:], strict=True):
        layers.append((w[at : at + a * b].reshape(a, b), w[at + a * b : at + a * b + b]))
        at += a * b + b
    return layers


def forward(w, x, widths, activation="relu"):
    values = [x]
    layers = unpack(w, widths)
    for i, (weight, bias) in enumerate(layers):
        z = values[-1] @ weight + bias
        if i < len(layers) - 1:
            z = np.maximum(z, 0) if activation == "relu" else np.tanh(z)
        values.append(z)
    return values


def loss_rows(kind, z, t):
    s = 2 * t - 1
    if kind == "squared":
        return 0.5 * (z[:, 0] - t) ** 2
    if kind == "logistic":
        return np.logaddexp(0, -s * z[:, 0])
    if kind == "squared_hinge":
        return np.maximum(0, 1 - s * z[:, 0]) ** 2
    top = z.max(axis=1)
    log_sum = top + np.log(np.exp(z - top[:, None]).sum(axis=1))
    return log_sum - z[np.arange(len(t)), t.astype(int)]


def derivative(kind, z, t):
    s = 2 * t - 1
    if kind == "squared":
        return z - t[:, None]
    if kind == "logistic":
        return (-s / (1 + np.exp(s * z[:, 0])))[:, None]
    if kind == "squared_hinge":
        return (-2 * s * np.maximum(0, 1 - s * z[:, 0]))[:, None]
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    p[np.arange(len(t)), t.astype(int)] -= 1
    return p


def loss_grad(w, x, t, weight, widths, kind, activation="relu"):
    values = forward(w, x, widths, activation)
    delta = derivative(kind, values[-1], t) * weight[:, None]
    parts = []
    for (matrix, _), h in zip(reversed(unpack(w, widths)), reversed(values[:-1]), strict=True):
        parts.append(np.concatenate([(h.T @ delta).ravel(), delta.sum(axis=0)]))
        delta = delta @ matrix.T
        if h is not x:
            delta = delta * ((h > 0) if activation == "relu" else (1 - h * h))
    return float((loss_rows(kind, values[-1], t) * weight).sum()), np.concatenate(parts[::-1])
