"""Slow twin of the convolutional kernels: loops over pixels, float64."""

import numpy as np

from tests.reference import network


def conv(x, w, b, pad):
    m, h, wide, _ = x.shape
    k = w.shape[0]
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    z = np.zeros((m, h + 2 * pad - k + 1, wide + 2 * pad - k + 1, w.shape[3]))
    for i in range(z.shape[1]):
        for j in range(z.shape[2]):
            z[:, i, j] = np.tensordot(x[:, i : i + k, j : j + k], w, 3) + b
    return z


def conv_back(x, w, pad, dz):
    k = w.shape[0]
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    dw, dx = np.zeros_like(w), np.zeros_like(x)
    for i in range(dz.shape[1]):
        for j in range(dz.shape[2]):
            dw += np.tensordot(x[:, i : i + k, j : j + k], dz[:, i, j], (0, 0))
            dx[:, i : i + k, j : j + k] += np.tensordot(dz[:, i, j], w, (1, 3))
    return dw, dx[:, pad : dx.shape[1] - pad, pad : dx.shape[2] - pad]


def pool(h, size):
    m, tall, wide, c = h.shape
    out, back = np.zeros((m, tall // size, wide // size, c)), np.zeros(h.shape, bool)
    for at in np.ndindex(out.shape):
        r, i, j, e = at
        square = h[r, i * size : (i + 1) * size, j * size : (j + 1) * size, e]
        a, b = np.unravel_index(square.argmax(), square.shape)
        out[at], back[r, i * size + a, j * size + b, e] = square[a, b], True
    return out, back


def activate(z, activation):
    return np.maximum(z, 0) if activation == "relu" else np.tanh(z)


def slope(h, activation):
    return h > 0 if activation == "relu" else 1 - h * h


def loss_grad(parts, x, t, weight, layers, activation):
    """Layers are ("conv", pad, pool) or ("dense",); `parts` their (w, b), the last without an activation."""
    seen = []
    for i, ((w, b), (kind, *rest)) in enumerate(zip(parts, layers, strict=True)):
        if kind == "conv":
            full = activate(conv(x, w, b, rest[0]), activation)
            out, back = pool(full, rest[1])
        else:
            x = x.reshape(len(x), -1)
            full, back = x @ w + b, None
            out = full if i == len(layers) - 1 else activate(full, activation)
        seen.append((x, full, out, back))
        x = out
    delta = network.derivative("softmax", x, t) * weight[:, None]
    loss, grads = float((network.loss_rows("softmax", x, t) * weight).sum()), []
    for i in range(len(layers) - 1, -1, -1):
        x, full, out, back = seen[i]
        w, _ = parts[i]
        delta = delta.reshape(out.shape)
        if layers[i][0] == "conv":
            size, dz = layers[i][2], np.zeros_like(full)
            part = dz[:, : out.shape[1] * size, : out.shape[2] * size]
            part[:] = delta.repeat(size, 1).repeat(size, 2)
            dz *= back * slope(full, activation)
            dw, dx = conv_back(x, w, layers[i][1], dz)
            db = dz.sum((0, 1, 2))
        else:
            dz = delta if i == len(layers) - 1 else delta * slope(out, activation)
            dw, dx, db = x.T @ dz, dz @ w.T, dz.sum(0)
        grads = [np.concatenate([dw.ravel(), db]), *grads]
        delta = dx
    return loss, np.concatenate(grads)
