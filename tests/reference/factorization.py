"""Slow twins of the factorization kernels, in plain NumPy, float64."""

from __future__ import annotations

import numpy as np


def explicit(indptr, index, rating, other, reg, scaled, biases, mean):
    """Each row by the normal equations of (factors, 1) against what is left of its ratings."""
    out = np.zeros((len(indptr) - 1, other.shape[1]))
    for u in range(len(out)):
        a, b = indptr[u], indptr[u + 1]
        if a == b:
            continue
        x = other[index[a:b]].astype(np.float64)
        left = rating[a:b] - mean - x[:, -1]
        x[:, -1] = 1.0
        used = x if biases else x[:, :-1]
        penalty = reg * (b - a if scaled else 1) * np.eye(used.shape[1])
        out[u, : used.shape[1]] = np.linalg.solve(used.T @ used + penalty, used.T @ left)
    return out


def implicit(indptr, index, rating, other, reg, scaled, alpha):
    """Each row by the dense weighted problem over all items."""
    q = other[:, :-1].astype(np.float64)
    out = np.zeros((len(indptr) - 1, other.shape[1]))
    for u in range(len(out)):
        a, b = indptr[u], indptr[u + 1]
        if a == b:
            continue
        c, p = np.ones(len(q)), np.zeros(len(q))
        c[index[a:b]] += alpha * rating[a:b]
        p[index[a:b]] = 1
        penalty = reg * (b - a if scaled else 1) * np.eye(q.shape[1])
        out[u, :-1] = np.linalg.solve(q.T @ (c[:, None] * q) + penalty, q.T @ (c * p))
    return out


def sweep(user, item, rating, rate, reg, biases, mean, users, items):
    """One SGD step a rating, on copies."""
    users, items = users.astype(np.float64), items.astype(np.float64)
    for u, i, r in zip(user, item, rating, strict=True):
        p, q = users[u].copy(), items[i].copy()
        e = r - mean - p[-1] - q[-1] - p[:-1] @ q[:-1]
        users[u, :-1] += rate * (e * q[:-1] - reg * p[:-1])
        items[i, :-1] += rate * (e * p[:-1] - reg * q[:-1])
        if biases:
            users[u, -1] += rate * (e - reg * p[-1])
            items[i, -1] += rate * (e - reg * q[-1])
    return users, items


def feedback(indptr, index, users, items, y, pairs, rating, rate, reg, y_rate, mean):
    """One iteration of SVD++ on copies: steps on `pairs` with y fixed, then a step of y."""
    users, items, y = users.copy(), items.copy(), y.copy()
    rated = [index[a:b] for a, b in zip(indptr[:-1], indptr[1:], strict=True)]
    shift = [y[n].sum(0) / max(len(n), 1) ** 0.5 for n in rated]
    pull = np.zeros((len(users), y.shape[1]))
    for (u, i), r in zip(pairs, rating, strict=True):
        p, q = users[u].copy(), items[i].copy()
        e = r - mean - p[-1] - q[-1] - (p[:-1] + shift[u]) @ q[:-1]
        users[u] += rate * (e * np.append(q[:-1], 1) - reg * p)
        items[i] += rate * (e * np.append(p[:-1] + shift[u], 1) - reg * q)
        pull[u] += e * q[:-1]
    for j in range(len(y)):
        of = [u for u in range(len(users)) if j in rated[u]]
        if of:
            gradient = sum(pull[u] / len(rated[u]) ** 0.5 for u in of)
            y[j] += y_rate * (gradient / sum(len(rated[u]) for u in of) - reg * y[j])
    return users, items, y


def item_gradients(indptr, index, rating, mean, users, items):
    """Sum over ratings of error times (user's factors, 1), by item."""
    out = np.zeros(items.shape)
    for u in range(len(users)):
        for t in range(indptr[u], indptr[u + 1]):
            p, q = users[u].astype(np.float64), items[index[t]].astype(np.float64)
            e = rating[t] - mean - p[-1] - q[-1] - p[:-1] @ q[:-1]
            out[index[t]] += e * np.append(p[:-1], 1.0)
    return out


def ranks(scores, seen, wanted, top):
    """Precision, recall, NDCG and average precision of one user's list."""
    order = [i for i in np.argsort(-scores, kind="stable") if i not in set(seen)][:top]
    hit = np.array([i in set(wanted) for i in order], float)
    discount = 1 / np.log2(np.arange(top) + 2)
    ideal = discount[: min(top, len(wanted))].sum()
    places = np.arange(1, len(hit) + 1)
    average = (hit * np.cumsum(hit) / places).sum() / min(top, len(wanted))
    return [hit.sum() / top, hit.sum() / len(wanted), (hit * discount[: len(hit)]).sum() / ideal, average]
