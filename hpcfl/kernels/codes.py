"""Vectors -> smaller messages: what NumPy says too slowly or not at all.

All take the vectors of several senders, one a row, so that each row's result is its own.
"""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import exact, exact_part
from hpcfl.kernels.order import below, mix


@exact
def bfloat16(bits, out):
    """Round float32 numbers to bfloat16, to nearest, ties to even.

    Parameters
    ----------
    bits : (c, n) uint32
        The numbers' bits; NaN stays NaN.
    out : (c, n) uint16
    """
    for c in range(bits.shape[0]):
        for j in range(bits.shape[1]):
            b = bits[c, j]
            if (b & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000):
                out[c, j] = (b >> np.uint32(16)) | np.uint32(0x40)
            else:
                odd = (b >> np.uint32(16)) & np.uint32(1)
                out[c, j] = (b + np.uint32(0x7FFF) + odd) >> np.uint32(16)


@exact_part
def _nth(a, n):
    """Return the n-th smallest of `a`, which is reordered (Hoare's quickselect)."""
    low, high = 0, a.size - 1
    while low < high:
        pivot = a[(low + high) >> 1]
        i, j = low, high
        while i <= j:
            while a[i] < pivot:
                i += 1
            while pivot < a[j]:
                j -= 1
            if i <= j:
                a[i], a[j] = a[j], a[i]
                i += 1
                j -= 1
        if n <= j:
            high = j
        elif n >= i:
            low = i
        else:
            break
    return a[n]


@exact
def largest(bits, magnitude, scratch, index):
    """Write where each row has its largest magnitudes, ascending; of equal ones the first.

    Parameters
    ----------
    bits : (c, n) uint32 or uint64
        The numbers' bits, whose order without the sign is that of the magnitudes.
    magnitude : uint
        All bits but the sign.
    scratch : (n,) uint
    index : (c, k) int32
        Output.
    """
    k = index.shape[1]
    for c in range(bits.shape[0]):
        for j in range(scratch.size):
            scratch[j] = bits[c, j] & magnitude
        limit = _nth(scratch, scratch.size - k)
        ties = k
        for j in range(scratch.size):
            ties -= (bits[c, j] & magnitude) > limit
        at = 0
        for j in range(scratch.size):
            size = bits[c, j] & magnitude
            if size > limit or (size == limit and ties > 0):
                ties -= size == limit
                index[c, at] = j
                at += 1


@exact
def pick(keys, scratch, index):
    """Draw k of n places without replacement, a draw a row.

    Parameters
    ----------
    keys : (c,) uint64
    scratch : (n,) int32
    index : (c, k) int32
        Output.
    """
    n = scratch.size
    for c in range(keys.size):
        for j in range(n):
            scratch[j] = j
        for i in range(index.shape[1]):
            j = i + below(mix(keys[c], i), n - i)
            scratch[i], scratch[j] = scratch[j], scratch[i]
            index[c, i] = scratch[i]


@exact
def quantize(v, keys, bucket, levels, norms, codes):
    """Round magnitudes to one of `levels` parts of their bucket's norm, up or down by chance.

    Parameters
    ----------
    v : (c, n) float
    keys : (c,) uint64
    bucket : int
        Numbers that share a norm.
    levels : int
    norms : (c, ceil(n / bucket)) float32
        Output.
    codes : (c, n) uint8
        Output: level with its sign, plus `levels`.
    """
    for c in range(v.shape[0]):
        for b in range(norms.shape[1]):
            first, end = b * bucket, min((b + 1) * bucket, v.shape[1])
            total = 0.0
            for j in range(first, end):
                total += np.float64(v[c, j]) * np.float64(v[c, j])
            norms[c, b] = np.sqrt(total)
            scale = levels / np.float64(norms[c, b]) if norms[c, b] > 0 else 0.0
            for j in range(first, end):
                part = abs(np.float64(v[c, j])) * scale
                chance = np.float64(mix(keys[c], j) >> np.uint64(11)) * 2.0**-53
                level = min(np.int64(np.floor(part + chance)), levels)
                codes[c, j] = levels + (level if v[c, j] > 0 else -level)


@exact
def pack(codes, bits, out):
    """Write codes of `bits` = 1, 2, 4 or 8 bits (c, n) uint8 side by side into bytes, `out` (c, ceil(n bits / 8))."""
    each = 8 // bits
    for c in range(codes.shape[0]):
        for b in range(out.shape[1]):
            word = 0
            for j in range(b * each, min((b + 1) * each, codes.shape[1])):
                word |= np.int64(codes[c, j]) << (bits * (j - b * each))
            out[c, b] = word


@exact
def unpack(packed, bits, out):
    """Undo `pack`."""
    each, mask = 8 // bits, (1 << bits) - 1
    for c in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[c, j] = (np.int64(packed[c, j // each]) >> (bits * (j % each))) & mask
