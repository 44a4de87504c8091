"""Sums of vectors that lie side by side in memory."""

from __future__ import annotations

from hpcfl.kernels.flags import exact

BLOCK = 4096  # elements of the sum that stay in cache while the rows are added


@exact
def add_rows(rows, start, stop, out):
    """Write the sum of the `rows` (n, P) from `start` to `stop`, in their order, to `out` (stop - start,)."""
    for a in range(start, stop, BLOCK):
        b = min(a + BLOCK, stop)
        # Vectors that begin at 0: where an index has an offset, the compiler adds one number at a time.
        total, first = out[a - start : b - start], rows[0, a:b]
        if rows.shape[0] == 1:
            for j in range(total.size):
                total[j] = first[j]
        else:
            second = rows[1, a:b]
            for j in range(total.size):
                total[j] = first[j] + second[j]
        for r in range(2, rows.shape[0]):
            row = rows[r, a:b]
            for j in range(total.size):
                total[j] += row[j]
