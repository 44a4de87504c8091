"""A rank's rows of one step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Batch(NamedTuple):
    """Which rows a step takes, valid until the next one is asked for.

    Attributes
    ----------
    rows : (m,) int32
        Numbers of rows of the rank's shard, stratum by stratum; m may be 0.
    ends : (strata + 1,) int
        Rows before each of the rank's strata, and all.
    error : Exception or None
        What kept the rank from having its rows. It joins the step's sum all the same, so that no rank waits.
    """

    rows: np.ndarray
    ends: np.ndarray
    error: Exception | None = None
