"""The papers' pseudo-code in plain NumPy, for least squares: slow twins of hpcfl/strategies.

Each function makes rounds from `w` with the cohorts of `world` and returns the server's model (or
models) and the clients' own, {} if there are none.
"""

from __future__ import annotations

from itertools import islice

import numpy as np

from hpcfl.seeding import key
from tests.reference.federated import batches

STRIDE = 0xD1B54A32D192ED03


class World:
    """Clients with rows `x` (n, d) and targets `y` (n,), `client` (n,) being whose each is."""

    def __init__(self, x, y, client, cohorts, epochs, batch, seed=0):
        self.x, self.y, self.cohorts, self.batch, self.seed = x, y, cohorts, batch, seed
        self.rows = [np.flatnonzero(client == c) for c in range(client.max() + 1)]
        self.steps = [epochs * -(-len(rows) // batch) for rows in self.rows]

    def gradient(self, w, rows):
        x = self.x[rows]
        return x.T @ (x @ w - self.y[rows]) / len(rows)

    def full(self, w, i):
        return self.gradient(w, self.rows[i])

    def loss(self, w, i):
        return 0.5 * np.mean((self.x[self.rows[i]] @ w - self.y[self.rows[i]]) ** 2)

    def stream(self, r, i, purpose="local"):
        return batches((int(key(self.seed, purpose, r)) + STRIDE * (i + 1)) % 2**64, self.rows[i], self.batch)

    def work(self, r, i):
        return islice(self.stream(r, i), self.steps[i])


def mime(world, w, lr, beta, lite):
    """Algorithms 1 and 2 of MIME with momentum SGD: s = (1 - beta) g + beta s in both U and V."""
    s, eta = np.zeros_like(w), lr / (1 - beta)
    for r, cohort in enumerate(world.cohorts):
        c = np.mean([world.full(w, i) for i in cohort], axis=0)
        ends = []
        for i in cohort:
            y = w.copy()
            for b in world.work(r, i):
                g = world.gradient(y, b) if lite else world.gradient(y, b) - world.gradient(w, b) + c
                y = y - eta * ((1 - beta) * g + beta * s)
            ends.append(y)
        s = (1 - beta) * c + beta * s
        w = np.mean(ends, axis=0)
    return w, {}


def ditto(world, w, lr, lam):
    """Algorithm 1 of Ditto; a client that is drawn first starts from the global model."""
    own = {}
    for r, cohort in enumerate(world.cohorts):
        ends = []
        for i in cohort:
            x, v = w.copy(), own.get(i, w).copy()
            for b in world.work(r, i):
                x = x - lr * world.gradient(x, b)
                v = v - lr * (world.gradient(v, b) + lam * (v - w))
            ends.append(x)
            own[i] = v
        w = np.mean(ends, axis=0)
    return w, own


def pfedme(world, w, lr, lam, inner, eta, beta):
    """Algorithm 1 of pFedMe; theta of a batch starts from that of the batch before, as the authors' code does."""
    own = {}
    for r, cohort in enumerate(world.cohorts):
        ends = []
        for i in cohort:
            theta, local = w.copy(), w.copy()
            for b in world.work(r, i):
                for _ in range(inner):
                    theta = theta - lr * (world.gradient(theta, b) + lam * (theta - local))
                local = local - eta * lam * (local - theta)
            ends.append(local)
            own[i] = theta
        w = (1 - beta) * w + beta * np.mean(ends, axis=0)
    return w, own


def perfedavg(world, w, lr, alpha):
    """Per-FedAvg (FO): two batches a step; a client's own model is one step of size alpha away."""
    for r, cohort in enumerate(world.cohorts):
        ends = []
        for i in cohort:
            x, source = w.copy(), world.stream(r, i)
            for _ in range(world.steps[i]):
                near = x - alpha * world.gradient(x, next(source))
                x = x - lr * world.gradient(near, next(source))
            ends.append(x)
        w = np.mean(ends, axis=0)
    r, clients = len(world.cohorts), range(len(world.rows))
    return w, {i: w - alpha * world.gradient(w, next(world.stream(r, i, "tune"))) for i in clients}


def fedrep(world, w, lr, head):
    """Algorithm 1 of FedRep: a client's head is fitted to the shared body, then the body to the head."""
    heads = [w[head]] * len(world.rows)
    for r, cohort in enumerate(world.cohorts):
        ends = []
        for i in cohort:
            x = np.where(head, 0, w)
            x[head] = heads[i]
            for part in (head, ~head):
                for b in world.work(r, i):
                    x = x - lr * np.where(part, world.gradient(x, b), 0)
            heads[i] = x[head]
            ends.append(np.where(head, w, x))
        w = np.mean(ends, axis=0)
    return w, _with(w, head, heads)


def fedbn(world, w, lr, own):
    """Algorithm 1 of FedBN: everything is trained, all but the own parts is averaged, by rows."""
    parts = [w[own]] * len(world.rows)
    for r, cohort in enumerate(world.cohorts):
        ends = []
        for i in cohort:
            x = w.copy()
            x[own] = parts[i]
            for b in world.work(r, i):
                x = x - lr * world.gradient(x, b)
            parts[i] = x[own]
            ends.append(np.where(own, w, x))
        w = np.average(ends, axis=0, weights=[len(world.rows[i]) for i in cohort])
    return w, _with(w, own, parts)


def ifca(world, models, lr):
    """Algorithm 1 of IFCA, model averaging."""
    for r, cohort in enumerate(world.cohorts):
        ends = [[] for _ in models]
        for i in cohort:
            j = int(np.argmin([world.loss(m, i) for m in models]))
            x = models[j].copy()
            for b in world.work(r, i):
                x = x - lr * world.gradient(x, b)
            ends[j].append(x)
        models = np.array([np.mean(e, axis=0) if e else m for e, m in zip(ends, models, strict=True)])
    return models, {}


def _with(w, own, parts):
    out = {}
    for i, part in enumerate(parts):
        out[i] = w.copy()
        out[i][own] = part
    return out
