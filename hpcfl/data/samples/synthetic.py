"""``synthetic(alpha, beta)``: 30 devices of the FedProx paper (Li et al. 2020)."""

from __future__ import annotations

import numpy as np

from hpcfl.data.samples import _devices


def rows(rng: np.random.Generator, alpha: float, beta: float) -> dict[str, np.ndarray]:
    """Return x (n, 60), y, client and test; sizes are lognormal(4, 2) + 50. See `_devices.rows`."""
    return _devices.rows(rng, alpha, beta, 30, 2.0, 0)
