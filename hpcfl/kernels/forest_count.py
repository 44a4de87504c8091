"""Histograms of one node: its rows in the bins of a feature, and which bins are in use.

The bins in use are listed, so that the small nodes, which are most, cost what their rows cost and not 256 bins.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from hpcfl.kernels.flags import exact_part
from hpcfl.kernels.forest_rule import BINS

FEW = 128  # rows of a node below which bins in use are marked by bits, so that not all bins are looked at


@intrinsic
def lowest(typing, word):
    """Return the position of the lowest bit that is set in a uint64."""

    def code(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), code


@exact_part
def count(codes, feature, order, stats, classes, work):
    """Add a node's rows to ``work.hist``, which is zero; list the bins in use, and return how many they are."""
    hist, bits = work.hist, work.bits
    few = order.size < FEW
    bits[:] = 0
    for i in range(order.size):
        b = np.uint64(codes[np.uint32(order[i]), feature])
        if classes == 1:
            hist[b] += stats[i]
        else:
            hist[b * np.uint64(classes) + np.uint64(stats[i] >> 32)] += stats[i] & 0xFFFFFFFF
        if few:
            # Rows take turns at four sets of bits, as each word waits for the row before it.
            bits[(b >> np.uint64(6)) + (np.uint64(i & 3) << np.uint64(2))] |= np.uint64(1) << (b & np.uint64(63))
    return marked(bits, work.bins) if few else used(hist, classes, work.bins)


@exact_part
def marked(bits, bins):
    """Put the bins whose bits are set in any of the four sets, ascending, into `bins`; return how many they are."""
    m = np.uint64(0)
    for word in range(4):
        left = bits[word] | bits[word + 4] | bits[word + 8] | bits[word + 12]
        while left != 0:
            bins[m] = word * 64 + np.int64(lowest(left))
            left &= left - np.uint64(1)
            m += np.uint64(1)
    return np.int64(m)


@exact_part
def used(hist, classes, bins):
    """Put the bins in use, ascending, into `bins` (256,); return how many they are.

    Every row has a weight, so a bin in use is not all zeros.
    """
    m = np.uint64(0)
    for b in range(BINS):
        some = hist[b * classes]
        for c in range(1, classes):
            some |= hist[b * classes + c]
        bins[m] = b
        m += np.uint64(some != 0)
    return np.int64(m)


@exact_part
def clear(m, classes, work):
    """Set the `m` bins in use back to zero."""
    for i in range(m):
        for c in range(classes):
            work.hist[np.uint64(work.bins[i] * classes + c)] = 0
