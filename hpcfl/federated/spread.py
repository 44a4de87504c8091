"""What clients' scores amount to: their mean, their worst and best tenth, their variance, and all rows as one."""

from __future__ import annotations

from typing import Any

import numpy as np


def score(outputs: np.ndarray, y: np.ndarray, classes: bool, probabilities: bool) -> np.ndarray:
    """Return the sums of a client's rows: weight, right weight (or squared error), loss; (3,) float64.

    Parameters
    ----------
    outputs : (n, k)
        As a model's predictor gives them.
    y : (n, 2)
        Target and weight.
    classes, probabilities : bool
        Whether `outputs` are of classes, and whether they are probabilities.
    """
    target, weight = y[:, 0], y[:, 1].astype(np.float64)
    if not classes:
        square = np.square(outputs[:, 0].astype(np.float64) - target)
        return np.array([weight.sum(), (weight * square).sum(), 0.0])
    right = weight[outputs.argmax(axis=1) == target].sum()
    chance = outputs[np.arange(len(y)), target.astype(np.int64)] if probabilities else np.ones(len(y))
    tiny = np.finfo(outputs.dtype).eps
    loss = -np.log(np.clip(chance, tiny, 1 - tiny).astype(np.float64))
    return np.array([weight.sum(), right, (weight * loss).sum()])


def spreads(sums: np.ndarray, classes: bool, probabilities: bool) -> dict[str, Any]:
    """Return {metric: spread} and the number of clients that have rows, given their `score`s (clients, 3)."""
    sums = sums[sums[:, 0] > 0]
    weight, hits, loss = sums.T
    out: dict[str, Any] = {"clients": len(sums)}
    if not classes:
        return out | {"rmse": spread(np.sqrt(hits / weight), np.sqrt(hits.sum() / weight.sum()), high=False)}
    out["accuracy"] = spread(hits / weight, hits.sum() / weight.sum())
    if probabilities:
        out["log_loss"] = spread(loss / weight, loss.sum() / weight.sum(), high=False)
    return out


def spread(values: np.ndarray, pooled: float, high: bool = True) -> dict[str, float]:
    """Return how `values` (clients,) spread; `high` says that a large one is good.

    A decile is the mean of the worst or the best tenth, of one client at least, as in the
    q-FFL paper (Li et al. 2020).
    """
    order = np.sort(values) if high else -np.sort(-values)
    tenth = max(len(values) // 10, 1)
    found = {
        "mean": values.mean(),
        "worst_decile": order[:tenth].mean(),
        "best_decile": order[-tenth:].mean(),
        "variance": values.var(),
        "pooled": pooled,
    }
    return {name: float(value) for name, value in found.items()}
