"""``fcube``: a cube of 8 octants, two opposite ones each for 4 clients (Li et al. 2022, NIID-Bench)."""

from __future__ import annotations

import numpy as np

TRAIN, TEST = 4000, 1000


def rows(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return x (5000, 3) float32 in [-1, 1], y = (x_0 < 0), client (n,) int64, test (n,) bool.

    All training rows come first, 1,000 of each client; both signs of the first coordinate, and
    so both classes, are among them. Test rows lie anywhere, each its octant's client's.
    """
    x = rng.uniform(-1.0, 1.0, (TRAIN + TEST, 3)).astype(np.float32)
    dealt = np.arange(TRAIN) % 4
    side = np.sign(x[:TRAIN, 0])
    for axis in (1, 2):  # fold the row into one of its client's two octants
        x[:TRAIN, axis] = np.abs(x[:TRAIN, axis]) * side * (1 - 2 * (dealt >> (axis - 1) & 1))
    negative = x < 0
    client = (negative[:, 0] ^ negative[:, 1]) + 2 * (negative[:, 0] ^ negative[:, 2])
    y = negative[:, 0].astype(np.int64)
    return {"x": x, "y": y, "client": client.astype(np.int64), "test": np.arange(TRAIN + TEST) >= TRAIN}
