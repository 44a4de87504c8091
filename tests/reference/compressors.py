"""Slow plain-Python twins of hpcfl/kernels/codes.py and lowrank.py."""

from __future__ import annotations

import struct
from fractions import Fraction

import numpy as np

MASK = (1 << 64) - 1


def mix(key, counter):
    z = (int(key) + (counter + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def bfloat16(value):
    """Return the nearest bfloat16, as bits: of the two neighbours the nearer, or the even one."""
    bits = struct.unpack("<I", struct.pack("<f", value))[0]
    down, up = bits >> 16, (bits >> 16) + 1
    low, high = (Fraction(struct.unpack("<f", struct.pack("<I", b << 16))[0]) for b in (down, up))
    gaps = abs(Fraction(value) - low), abs(high - Fraction(value))
    if gaps[0] == gaps[1]:
        return down if down % 2 == 0 else up
    return down if gaps[0] < gaps[1] else up


def largest(row, k):
    return sorted(sorted(range(len(row)), key=lambda j: (-abs(row[j]), j))[:k])


def pick(key, n, k):
    order = list(range(n))
    for i in range(k):
        j = i + (((mix(key, i) >> 32) * (n - i)) >> 32)
        order[i], order[j] = order[j], order[i]
    return order[:k]


def quantize(row, key, bucket, levels):
    """Return what a row arrives as."""
    out = []
    for j, value in enumerate(row):
        mates = np.asarray(row[j // bucket * bucket : (j // bucket + 1) * bucket], np.float64)
        norm = float(np.float32(np.sqrt((mates**2).sum())))
        part = abs(float(value)) / norm * levels if norm else 0.0
        level = min(int(part + (mix(key, j) >> 11) * 2.0**-53), levels)
        out.append(np.sign(value) * level * norm / levels)
    return out


def low_rank(matrix, right, iterations):
    """Return the matrix projected on what power iteration from `right` (r, m) finds."""
    for _ in range(iterations):
        left = np.linalg.qr(matrix @ right.T)[0]
        right = left.T @ matrix
    return left @ right
