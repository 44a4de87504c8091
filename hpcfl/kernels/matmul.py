"""Matrix products of the sizes of training steps, whose bits do not depend on how many rows a call has.

`hpcfl bench` prints how near to the peak of the core they come.
"""

from __future__ import annotations

from hpcfl.kernels import tiles
from hpcfl.kernels.flags import part

BYTES, WIDE, HEIGHT = tiles.BYTES, tiles.WIDE, tiles.HEIGHT
T6W, T4W, T2W, T1W = (tiles.TILES[h, tiles.WIDE] for h in (6, 4, 2, 1))
T61, T41, T21, T11 = (tiles.TILES[h, 1] for h in (6, 4, 2, 1))
DEPTH = 12  # levels of a tree of 2048 groups
STACK = DEPTH * HEIGHT * WIDE * BYTES // 4  # scratch elements of `matmul_tree`


@part
def _tile(a, b, i, height, j, full, add, c, row, column):
    """Fill a tile of 6, 4, 2 or 1 rows by `WIDE` vectors if `full`, else one vector or what is left of it."""
    if full:
        if height == 6:
            T6W(a, b, i, j, add, c, row, column)
        elif height == 4:
            T4W(a, b, i, j, add, c, row, column)
        elif height == 2:
            T2W(a, b, i, j, add, c, row, column)
        else:
            T1W(a, b, i, j, add, c, row, column)
    elif height == 6:
        T61(a, b, i, j, add, c, row, column)
    elif height == 4:
        T41(a, b, i, j, add, c, row, column)
    elif height == 2:
        T21(a, b, i, j, add, c, row, column)
    else:
        T11(a, b, i, j, add, c, row, column)


@part
def _height(left):
    """Return the rows of the next tile when `left` are left."""
    return 6 if left >= 6 else 4 if left >= 4 else 2 if left >= 2 else 1


@part
def matmul(a, b, add, c):
    """Write, or if `add` add, ``a @ b`` to `c`.

    Parameters
    ----------
    a : (m, k) array
        Of any strides: a transposed view is as fast.
    b : (k, n) array
        Rows contiguous.
    add : bool
    c : (m, n) array
        Rows contiguous; output.
    """
    lanes = BYTES // c.itemsize
    j = 0
    while j < c.shape[1]:
        full = c.shape[1] - j >= lanes * WIDE
        i = 0
        while i < c.shape[0]:
            height = _height(c.shape[0] - i)
            _tile(a, b, i, height, j, full, add, c, i, j)
            i += height
        j += lanes * WIDE if full else lanes


@part
def matmul_tree(a, b, bounds, stack, c):
    """Write to `c` the sum over groups g of ``a[:, bounds[g]:bounds[g + 1]] @ b[bounds[g]:bounds[g + 1]]``.

    The groups, a power of two of them, are added in a binary tree, tile by tile while the tile is in
    cache: the same bits as whole products added in that tree.

    Parameters
    ----------
    a, b, c
        As in `matmul`.
    bounds : (groups + 1,) int64
    stack : (STACK,) array
        Scratch.
    """
    lanes = BYTES // c.itemsize
    j = 0
    while j < c.shape[1]:
        full = c.shape[1] - j >= lanes * WIDE
        width = lanes * WIDE if full else min(lanes, c.shape[1] - j)
        i = 0
        while i < c.shape[0]:
            height = _height(c.shape[0] - i)
            slots = stack[: DEPTH * height * width].reshape(DEPTH * height, width)
            top = 0
            for g in range(bounds.size - 1):
                lo, hi = bounds[g], bounds[g + 1]
                _tile(a[:, lo:hi], b[lo:hi], i, height, j, full, False, slots, top * height, 0)
                top += 1
                done = g + 1
                while done % 2 == 0:  # both halves of a larger group are there
                    top -= 1
                    _add(slots[(top - 1) * height : top * height], slots[top * height : (top + 1) * height])
                    done //= 2
            for r in range(height):
                for q in range(width):
                    c[i + r, j + q] = slots[r, q]
            i += height
        j += width


@part
def _add(left, right):
    """Add `right` to `left`."""
    for r in range(left.shape[0]):
        for q in range(left.shape[1]):
            left[r, q] += right[r, q]


@part
def transpose(a, out):
    """Write ``a.T`` to `out`, in squares that fit a few cache lines."""
    for i in range(0, a.shape[0], 16):
        for j in range(0, a.shape[1], 16):
            for r in range(i, min(i + 16, a.shape[0])):
                for q in range(j, min(j + 16, a.shape[1])):
                    out[q, r] = a[r, q]
