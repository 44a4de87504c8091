"""Matrix products of the sizes of training steps, whose bits do not depend on how many rows a call has.

`hpcfl bench` prints how near to the peak of the core they come.
"""

from __future__ import annotations

from hpcfl.kernels import tiles, vectors
from hpcfl.kernels.flags import part
from hpcfl.kernels.tiles import tile
from hpcfl.kernels.views import matrix

WIDE, BYTES = tiles.WIDE, vectors.BYTES
DEPTH = 12  # levels of a tree of 2048 groups
STACK = DEPTH * max(tiles.HEIGHTS) * WIDE * BYTES // 4  # scratch elements of `matmul_tree`


@part
def _height(left):
    """Return the rows of the next tile when `left` are left."""
    return 6 if left >= 6 else 4 if left >= 4 else 1


@part
def first_panel(width, itemsize):
    """Return how many of `width` columns the first round of tiles serves."""
    lanes = BYTES // itemsize
    return min(width, lanes * WIDE if width >= lanes * WIDE else lanes)


@part
def matmul(a, b, start, add, c):
    """Write, or if `add` add, ``a @ b`` to `c`, from column `start` on.

    Parameters
    ----------
    a : (m, k) array
        Of any strides: a transposed view is as fast.
    b : (k, n) array
        Rows contiguous.
    start : int
    add : bool
    c : (m, n) array
        Rows contiguous; output.
    """
    j, width = start, 0
    while j < c.shape[1]:
        width = first_panel(c.shape[1] - j, c.itemsize)
        i = 0
        while i < c.shape[0]:
            height = _height(c.shape[0] - i)
            tile(a, None, b, i, height, j, width == BYTES // c.itemsize * WIDE, add, c, i, j)
            i += height
        j += width


@part
def matmul_rows(x, rows, b, copy, c):
    """Write the first columns of ``x[rows] @ b`` to `c`, the rows to `copy`; return how many columns.

    Rows drawn at random come slowly out of memory. A round of tiles reads them where they lie, asks for
    the next ones meanwhile, and leaves a copy behind for all that follows.

    Parameters
    ----------
    x : (t, k) array
        The table, rows contiguous, in the dtype of `c`.
    rows : (m,) int32
    b : (k, n) array
        Rows contiguous.
    copy, c : (m, k), (m, n) array
        Rows contiguous; outputs.
    """
    width = first_panel(c.shape[1], c.itemsize)
    i = 0
    while i < rows.size:
        height = _height(rows.size - i)
        tile(x, rows, b, i, height, 0, width == BYTES // c.itemsize * WIDE, False, c, i, 0)
        for r in range(i, i + height):
            source, target = x[rows[r]], copy[r]
            for q in range(target.size):
                target[q] = source[q]
        i += height
    return width


@part
def matmul_tree(a, b, bounds, stack, c):
    """Write to `c` the sum over groups g of ``a[bounds[g]:bounds[g + 1]].T @ b[bounds[g]:bounds[g + 1]]``.

    The groups, a power of two of them, are added in a binary tree, tile by tile while the tile is in
    cache: the same bits as whole products added in that tree.

    Parameters
    ----------
    a, b : (k, m), (k, n) array
        Rows contiguous.
    bounds : (groups + 1,) int64
    stack : (STACK,) array
        Scratch.
    c : (m, n) array
        Rows contiguous; output.
    """
    j = 0
    while j < c.shape[1]:
        width = first_panel(c.shape[1] - j, c.itemsize)
        i = 0
        while i < c.shape[0]:
            height = _height(c.shape[0] - i)
            slots = matrix(stack, 0, DEPTH * height, width)
            _tree_tile(a, b, bounds, i, height, j, slots, c)
            i += height
        j += width


@part
def _tree_tile(a, b, bounds, i, height, j, slots, c):
    """Fill a tile of `matmul_tree`, as wide as `slots`."""
    top, full = 0, slots.shape[1] == BYTES // c.itemsize * WIDE
    for g in range(bounds.size - 1):
        lo, hi, n = bounds[g], bounds[g + 1], 0
        while (g + 1) >> n & 1 == 0:  # so many times both halves of a larger group are there
            n += 1
        halves = slots, top, n
        top -= n
        out, row, column = (c, i, j) if g + 2 == bounds.size else (slots, top * height, 0)
        # Of ``a.T`` no slice has strides that the compiler knows.
        tile(a[lo:hi].T, None, b[lo:hi], i, height, j, full, halves, out, row, column)
        top += 1


@part
def transpose(a, out):
    """Write ``a.T`` to `out`, in squares that fit a few cache lines."""
    for i in range(0, a.shape[0], 16):
        for j in range(0, a.shape[1], 16):
            for r in range(i, min(i + 16, a.shape[0])):
                for q in range(j, min(j + 16, a.shape[1])):
                    out[q, r] = a[r, q]
