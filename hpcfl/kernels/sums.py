"""Sums of vectors that lie side by side in memory."""

from __future__ import annotations

from hpcfl.kernels.flags import exact

BLOCK = 4096  # elements of the sum that stay in cache while the rows are added


@exact
def add_rows(rows, start, stop, out):
    """Write the sum of the `rows` (n, P), in their order, to `out` (P,) from `start` to `stop`."""
    for a in range(start, stop, BLOCK):
        b = min(a + BLOCK, stop)
        if rows.shape[0] == 1:
            for j in range(a, b):
                out[j] = rows[0, j]
        else:
            for j in range(a, b):
                out[j] = rows[0, j] + rows[1, j]
        for r in range(2, rows.shape[0]):
            for j in range(a, b):
                out[j] += rows[r, j]
