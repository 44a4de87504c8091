"""The least that every client gets."""

from __future__ import annotations

import numpy as np


def at_least(owner: np.ndarray, clients: int, min_rows: int, hint: str = "lower it or clients") -> np.ndarray:
    """Return `owner` (n,), the client of each row, or raise ValueError if a client has less than `min_rows` rows."""
    sizes = np.bincount(owner, minlength=clients)
    fewest = int(sizes.argmin())
    if sizes[fewest] < min_rows:
        raise ValueError(
            f"min_rows = {min_rows}: of {owner.size} rows for {clients} clients, "
            f"client {fewest} would get {sizes[fewest]}; {hint}"
        )
    return owner
