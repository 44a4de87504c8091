"""Slow twins of the forest kernels, in plain Python and NumPy."""

from __future__ import annotations

import numpy as np

MISSING = 255


def encode(x: np.ndarray, edges: list[np.ndarray]) -> np.ndarray:
    """Return how many edges lie below each value; 255 for NaN."""
    out = np.empty(x.shape, np.uint8)
    for f, e in enumerate(edges):
        out[:, f] = np.where(np.isnan(x[:, f]), MISSING, np.searchsorted(e, x[:, f], "left"))
    return out


def left(code: np.ndarray, rule: int) -> np.ndarray:
    """Return which bins go left."""
    return np.where(code == MISSING, rule >= 256, code <= rule % 256)


def score(g: np.ndarray, h: np.ndarray, penalty: float) -> float:
    """Return the sum of squares of `g` (n, k) columns' sums over the sum of h."""
    return float((g.sum(0).astype(float) ** 2).sum() / (h.sum() + penalty))


def best_split(
    codes: np.ndarray, g: np.ndarray, h: np.ndarray, features: list[int], penalty: float = 0.0
) -> tuple[float, int, int]:
    """Return (score, feature, rule) of the best split, by trying all; feature -1 if there is none.

    `g` (n, k) are class indicators times weights, or values times weights; `h` (n,) weights.
    Ties go to the lower feature, then to missing values on the right, then to the lower bin.
    """
    best = (-np.inf, -1, 0)
    for f in sorted(features):
        code = codes[:, f].astype(int)
        used = np.unique(code[code != MISSING])
        missing = bool((code == MISSING).any())
        for way in range(2 if missing else 1):
            cuts = [(int(a + b) >> 1) for a, b in zip(used[:-1], used[1:], strict=True)]
            if missing and way == 0 and used.size:
                cuts.append(254)
            for cut in cuts:
                side = left(code, cut + 256 * way)
                found = score(g[side], h[side], penalty) + score(g[~side], h[~side], penalty)
                if found > best[0]:
                    heavy = int(2 * h[side].sum() >= h.sum())
                    best = (found, f, cut + 256 * (way if missing else heavy))
    return best


def in_set(code: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Return which bins are in the set of the four uint64 `words`."""
    return np.array([int(words[c >> 6]) >> (int(c) & 63) & 1 for c in code], bool)


def best_set(code: np.ndarray, g: np.ndarray, h: np.ndarray) -> float:
    """Return the score of the best set of categories, by trying all."""
    names = np.unique(code)
    best = -np.inf
    for chosen in range(1, 2**names.size - 1):
        side = np.isin(code, names[[bool(chosen >> i & 1) for i in range(names.size)]])
        best = max(best, score(g[side, None], h[side], 0) + score(g[~side, None], h[~side], 0))
    return best


def predict(node: np.ndarray, value: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return each row's value in one tree."""
    out = np.empty((len(codes), value.shape[1]))
    for i, row in enumerate(codes):
        at = 0
        while node[at, 0] >= 0:
            feature, rule, child = (int(v) for v in node[at])
            at = child + (not left(row[feature], rule))
        out[i] = value[at]
    return out
