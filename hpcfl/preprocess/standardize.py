"""Scaling to mean 0 and variance 1 by statistics merged over ranks, never by gathering rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpcfl.comm.communicator import Comm

BLOCK = 4096  # rows converted to float64 at a time


def affine(x: Any, segments: list[tuple[int, int]], dtype: np.typing.DTypeLike, comm: Comm) -> np.ndarray:
    """Return shift and scale of each feature, shape (2, d), equal on every rank (collective).

    Parameters
    ----------
    x : (n, d) array
        This rank's training rows.
    segments : list of (start, stop)
        Runs of these rows whose statistics are merged in order over all ranks; if they do not
        depend on the number of ranks, neither do the bits of the result.
    dtype : dtype
        Of the result.

    Notes
    -----
    Means and sums of squared deviations are merged pairwise (Chan, Golub, LeVeque 1979). A
    constant feature is shifted and not scaled.
    """
    own = np.array([_moments(x, a, b) for a, b in segments]).reshape(len(segments), 3, x.shape[1])
    every = comm.allgatherv(own.reshape(-1), "standardize").reshape(-1, 3, x.shape[1])
    count, mean, squares = every[0]
    for n, m, s in every[1:]:
        total = np.maximum(count + n, 1)
        gap = m - mean
        squares = squares + s + gap * gap * count * n / total
        mean = mean + gap * n / total
        count = count + n
    deviation = np.sqrt(squares / np.maximum(count, 1))
    flat = deviation <= 1e-12 * np.maximum(np.abs(mean), 1e-300)
    return np.stack([mean, 1 / np.where(flat, 1.0, deviation)]).astype(dtype)


def _moments(x: Any, start: int, stop: int) -> np.ndarray:
    """Return count, mean and sum of squared deviations of each column of a run of rows, (3, d) float64."""
    runs = [slice(a, min(a + BLOCK, stop)) for a in range(start, stop, BLOCK)]
    total = np.zeros(x.shape[1])
    for run in runs:
        total += x[run].sum(axis=0, dtype=np.float64)
    mean = total / max(stop - start, 1)
    squares = np.zeros(x.shape[1])
    for run in runs:
        squares += np.square(x[run] - mean).sum(axis=0)
    return np.stack([np.full(x.shape[1], float(stop - start)), mean, squares])
