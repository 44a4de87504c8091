"""What the ranks have sent: messages and bytes, by purpose."""

from __future__ import annotations

from collections import Counter

import numpy as np
from mpi4py import MPI


class Traffic:
    """Counts of one rank.

    Attributes
    ----------
    messages, sent : Counter of str
        Purpose -> messages; purpose -> bytes that this rank handed to MPI.
    """

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()

    def add(self, purpose: str, nbytes: int, times: int = 1) -> None:
        """Count a message of `nbytes` that is sent so often."""
        self.messages[purpose] += times
        self.sent[purpose] += nbytes * times

    def forget(self) -> None:
        """Count from 0 again."""
        self.messages.clear()
        self.sent.clear()

    def total(self, mpi: MPI.Comm) -> dict[str, dict[str, int]]:
        """Return {purpose: {count, bytes}} summed over the ranks of `mpi` (collective)."""
        # Every rank makes the same collectives, so the purposes are the same everywhere.
        names = sorted(self.messages)
        both = np.array([[self.messages[n], self.sent[n]] for n in names], np.int64).reshape(-1, 2)
        mpi.Allreduce(MPI.IN_PLACE, both, MPI.SUM)
        return {n: {"count": int(c), "bytes": int(b)} for n, (c, b) in zip(names, both, strict=True)}
