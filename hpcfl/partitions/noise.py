"""Clients alike in all but the noise on their features (Li et al. 2022, NIID-Bench)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpcfl.partitions.iid import IID
from hpcfl.schema import key, positive


@dataclass(frozen=True)
class Noise(IID):
    """Rows dealt as by `iid`; client i of N gets Gaussian noise of variance ``level x (i + 1) / N`` on its features."""

    level: float = key(0.1, "variance of the noise of the last client")

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "level")

    def disturb(self, x: np.ndarray, owner: np.ndarray, clients: int, rng: np.random.Generator) -> None:
        """Add the noise to `x` (n, d) in place, `owner` (n,) being each row's client.

        Raises
        ------
        ValueError
            The features are whole numbers, or sparse.
        """
        if not isinstance(x, np.ndarray):
            raise ValueError("name = 'noise': CSR rows hold no noise, which would fill their zeros; use another")
        if x.dtype.kind != "f":
            raise ValueError(f"name = 'noise': features stored as {x.dtype} hold no noise; store them as float32")
        for i in range(clients):
            rows = np.flatnonzero(owner == i)
            noise = rng.standard_normal((rows.size, x.shape[1])) * np.sqrt(self.level * (i + 1) / clients)
            x[rows] += noise.astype(x.dtype)
