"""Rows in some order, cut into runs that are dealt to clients."""

from __future__ import annotations

import numpy as np


def dealt(order: np.ndarray, holder: np.ndarray) -> np.ndarray:
    """Cut the rows `order` (n,) into runs, equal up to a row; return the client of each row, (n,) int64.

    Parameters
    ----------
    order : (n,) int64
        A permutation of the rows.
    holder : (runs,) int64
        The client of each run.
    """
    out = np.empty(order.size, np.int64)
    out[order] = holder[np.arange(order.size) * holder.size // max(order.size, 1)]
    return out
