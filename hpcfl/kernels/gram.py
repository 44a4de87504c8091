"""Sums of outer products: the other half of the work of alternating least squares."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import part

BLOCK = 256  # rows that are gathered at once: with 32 factors 32 kB, a first-level cache


@part
def add_gram(block: np.ndarray, rows: int, gram: np.ndarray, system: np.ndarray) -> None:
    """Add ``block[:rows].T @ block[:rows]`` to the upper triangle of the corner of `system`.

    Parameters
    ----------
    block : (BLOCK, k) float
    rows : int
    gram : (k, k) float
        Scratch.
    system : (p, p + 1) float, p >= k
    """
    used = block[:rows]
    np.dot(used.T, used, gram)
    for i in range(gram.shape[0]):
        for j in range(i, gram.shape[0]):
            system[i, j] += gram[i, j]
