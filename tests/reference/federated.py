"""Slow plain-NumPy twins of hpcfl/kernels/local.py and fixed.py."""

from __future__ import annotations

import numpy as np

MASK = (1 << 64) - 1
GOLD = 0x9E3779B97F4A7C15


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def shuffle(key, epoch, rows):
    order = list(rows)
    base = mix((int(key) + epoch * GOLD) & MASK)
    for i in range(len(order) - 1, 0, -1):
        j = ((mix((base + i * GOLD) & MASK) >> 32) * (i + 1)) >> 32
        order[i], order[j] = order[j], order[i]
    return np.array(order, np.int32)


def batches(key, rows, size):
    epoch = 0
    while True:
        order = shuffle(key, epoch, rows)
        for a in range(0, len(order), size):
            yield order[a : a + size]
        epoch += 1


def solve(gradient, run, vectors, batch_source, steps, step, slots, rate, clip=0.0, still=None):
    """One local run. `gradient(w, batch)` is the mean's; `step(x, g, state, t)` returns the new x."""
    x = vectors[run.start].copy()
    begin, state, gstate, ghost = x.copy(), np.zeros((slots, x.size)), np.zeros((slots, 1)), np.zeros(1)
    t = 0
    for _ in range(run.steps or steps):
        batch = next(batch_source)
        for _ in range(run.inner):
            g = gradient(x, batch)
            if run.look:
                near = x - run.look * g
                batch = next(batch_source)
                g = gradient(near, batch)
            if run.ref:
                g = g - gradient(vectors[run.ref], batch)
            if run.drift:
                g = g + vectors[run.drift]
            if still is not None:
                g = np.where(still, 0, g)
            if clip and np.linalg.norm(g) > clip:
                g = g * clip / np.linalg.norm(g)
            x = x + rate * run.mu * (vectors[run.anchor] - x)
            ghost = ghost - rate * run.mu * ghost
            t += 1
            x = step(x, g, state, t)
            ghost = step(ghost, np.ones(1), gstate, t)
        if run.follow:
            vectors[run.anchor] = vectors[run.anchor] + run.follow * (x - vectors[run.anchor])
    if still is not None:
        x = np.where(still, begin, x)
    vectors[run.out] = x
    return -ghost[0]


def fixed_sum(v, weights, scale):
    total = [0] * v.shape[1]
    for row, weight in zip(v, weights, strict=True):
        if weight:
            for j, value in enumerate(row):
                total[j] += int(np.rint(np.float64(value) * (weight * scale)))
    return np.array(total, np.int64)
