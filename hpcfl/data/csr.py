"""Sparse rows as three arrays: the value that kernels take in place of a dense matrix."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class CSR(NamedTuple):
    """Compressed sparse rows.

    Attributes
    ----------
    data : (nnz,) float32 or float64
        The stored values, row after row.
    indices : (nnz,) int32
        The column of each value.
    indptr : (n + 1,) int64
        Where each row starts; ``indptr[0]`` is 0.
    """

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
