"""``hybrid``: 100 devices of the q-FFL paper (Li et al. 2020), half of them alike."""

from __future__ import annotations

import numpy as np

from hpcfl.data.samples import _devices


def rows(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return x (n, 60), y, client and test; sizes are lognormal(4, 1) + 50. See `_devices.rows`."""
    return _devices.rows(rng, 1.0, 1.0, 100, 1.0, 50)
