"""Devices whose rows and labels follow laws of their own, after the generators of the FedProx and q-FFL authors."""

from __future__ import annotations

import numpy as np

FEATURES, CLASSES = 60, 10


def rows(
    rng: np.random.Generator, alpha: float, beta: float, devices: int, sigma: float, alike: int
) -> dict[str, np.ndarray]:
    """Return x (n, 60) float32, y, client (n,) int64, test (n,) bool, device after device.

    A device k has ``int(lognormal(4, sigma)) + 50`` rows, normal around a mean of its own
    ``N(B_k, 1)`` with variances ``j^-1.2``, labelled by the largest output of a linear model
    of its own ``N(u_k, 1)``; ``u_k ~ N(0, alpha)`` and ``B_k ~ N(0, beta)``, all given as
    standard deviations. The last tenth of each device's rows is its test set.

    Parameters
    ----------
    rng : Generator
    alpha, beta : float
        How much the models and the rows of devices differ.
    devices : int
    sigma : float
        Standard deviation of the log of a device's size.
    alike : int
        So many devices at the front share one model and rows around 0.
    """
    sizes = rng.lognormal(4.0, sigma, devices).astype(np.int64) + 50
    means_of_models, means_of_rows = rng.normal(0.0, alpha, devices), rng.normal(0.0, beta, devices)
    spread = np.arange(1.0, FEATURES + 1) ** -0.6  # standard deviations
    shared = _model(rng, 0.0)
    x, y = [], []
    for k, n in enumerate(sizes):
        own = k >= alike
        center = rng.normal(means_of_rows[k], 1.0, FEATURES) if own else np.zeros(FEATURES)
        w, b = _model(rng, means_of_models[k]) if own else shared
        x.append(rng.normal(center, spread, (n, FEATURES)))
        y.append((x[-1] @ w + b).argmax(axis=1))
    place = np.concatenate([np.arange(n) for n in sizes])
    client = np.repeat(np.arange(devices), sizes)
    test = place >= (0.9 * sizes).astype(np.int64)[client]
    return {"x": np.concatenate(x).astype(np.float32), "y": np.concatenate(y), "client": client, "test": test}


def _model(rng: np.random.Generator, mean: float) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(mean, 1.0, (FEATURES, CLASSES)), rng.normal(mean, 1.0, CLASSES)
