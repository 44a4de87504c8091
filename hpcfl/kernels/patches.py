"""Patches of an image as rows of a matrix, which makes a convolution a matrix product.

Images lie as (height, width, channels), so that a line of a patch is one contiguous run, and are
padded first, so that no patch has an edge. `k` is the size of the kernel.
"""

from __future__ import annotations

from hpcfl.kernels.flags import part


@part
def padded(x, pad, out):
    """Write the image `x` (h, w, c) into the middle of `out` (h + 2 pad, w + 2 pad, c), 0 around it."""
    h, w, c = x.shape
    if pad > 0:
        out[:] = 0
    for i in range(h):
        for j in range(w):
            for e in range(c):
                out[i + pad, j + pad, e] = x[i, j, e]


@part
def cropped(x, pad, out):
    """Write the middle of `x` (h + 2 pad, w + 2 pad, c) to `out` (h, w, c)."""
    h, w, c = out.shape
    for i in range(h):
        for j in range(w):
            for e in range(c):
                out[i, j, e] = x[i + pad, j + pad, e]


@part
def patches(x, top, k, col):
    """Lay out the patches of some lines of the convolution.

    Parameters
    ----------
    x : (h, w, c) float
        The padded image.
    top : int
        First line.
    k : int
    col : (lines, wide, k, k * c) float
        Output: the patch of each pixel.
    """
    lines, wide, _, run = col.shape
    if x.shape[2] == 1:
        for i in range(lines):
            for a in range(k):
                for e in range(k):
                    for j in range(wide):
                        col[i, j, a, e] = x[top + i + a, j + e, 0]
    else:
        for i in range(lines):
            for j in range(wide):
                for a in range(k):
                    y = top + i + a
                    for e in range(run):
                        col[i, j, a, e] = x[y, j, e]  # past the pixel's own channels lie its neighbours'


@part
def add_patches(col, top, k, x):
    """Add patches back to where `patches` took them from; arguments as there, `x` is the output."""
    lines, wide, _, run = col.shape
    for i in range(lines):
        for j in range(wide):
            for a in range(k):
                y = top + i + a
                for e in range(run):
                    x[y, j, e] += col[i, j, a, e]
