"""Rows through trees: many rows at a time step down together, so that none waits for another's memory."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import exact
from hpcfl.kernels.lent import lent

BLOCK = 16384  # rows that pass a tree while its nodes are in the second cache
GROUP = 256  # rows that step down together, their bins in the first cache
STEPS = 4  # steps between two looks at which rows have arrived; in a leaf a step leads nowhere
SET, LEAF, FEATURE = np.uint64(41), np.uint64(42), np.uint64(43)
ONE, BYTE, CHILD = np.uint64(1), np.uint64(255), np.uint64(0xFFFFFFFF)


@exact
def pack(node, starts, packed):
    """Pack the (k, 3) int32 nodes of trees into one uint64 each, from which a step needs no branch.

    From the lowest bit: left child 32 (of a leaf: itself), bound 8, lift 1, whether it is a set 1, a
    leaf 1, feature 21. A row goes right if its bin + lift, as a byte, is above the bound: a lift of 1
    brings missing values, bin 255, to 0 and so to the left. ``starts`` (trees + 1,) as in `predict`.
    """
    for t in range(starts.size - 1):
        for i in range(starts[t], starts[t + 1]):
            leaf, rule = node[i, 0] < 0, np.int64(node[i, 1])
            lift = np.int64(rule & 256 != 0 and not leaf)
            bound = 255 if leaf or rule >= 512 else (rule & 255) + lift
            word = np.uint64(i - starts[t] if leaf else node[i, 2]) | (np.uint64(bound) << np.uint64(32))
            word |= (np.uint64(lift) << np.uint64(40)) | (np.uint64(rule >= 512) << SET) | (np.uint64(leaf) << LEAF)
            packed[i] = word | (np.uint64(0 if leaf else node[i, 0]) << FEATURE)


@exact
def walk(packed, sets, codes, going, at, out):
    """Put into ``out[i]`` the leaf that row i of `codes` arrives in, for each i in `going`.

    `going` (m,) is used up and `at` (m,) is work, both uint32. `sets` (k, 4) are looked at for nodes that are
    sets. All indices are unsigned: with signed ones each access would first be checked for being
    counted from the end.
    """
    m, mixed = going.size, sets.shape[1] > 0
    at[:] = 0
    while m > 0:
        for _ in range(STEPS):
            for j in range(m):
                here = at[j]
                word = packed[here]
                code = np.uint64(codes[going[j], word >> FEATURE])
                right = ((code + ((word >> np.uint64(40)) & ONE)) & BYTE) > ((word >> np.uint64(32)) & BYTE)
                if mixed and (word >> SET) & ONE:
                    right = (sets[here, code >> np.uint64(6)] >> (code & np.uint64(63))) & ONE == 0
                at[j] = np.uint32((word & CHILD) + np.uint64(right))
        still = np.uint64(0)
        for j in range(m):
            i, here = going[j], at[j]
            out[i] = here
            going[still], at[still] = i, here
            still += ONE - ((packed[here] >> LEAF) & ONE)
        m = np.int64(still)


@exact
def leaves(packed, sets, codes, rows, out):
    """Put into ``out[i]`` the leaf of one tree that row i of `codes` arrives in, for i in `rows`; both uint32."""
    going, at = rows.copy(), np.empty(min(GROUP, rows.size), np.uint32)
    for first in range(0, rows.size, GROUP):
        m = min(GROUP, rows.size - first)
        walk(packed, sets, codes, going[first : first + m], at[:m], out)


@exact
def predict(packed, sets, starts, value, codes, out):
    """Add to `out` (n, outputs) the values of all trees; tree t is added to output t % k of width value.shape[1].

    `starts` (trees + 1,) bounds each tree's nodes; children are counted from a tree's first node.
    """
    packed, sets, codes = lent(packed), lent(sets), lent(codes)
    width = value.shape[1]
    groups = out.shape[1] // width
    going, at, leaf = np.empty(GROUP, np.uint32), np.empty(GROUP, np.uint32), np.empty(GROUP, np.uint32)
    for block in range(0, codes.shape[0], BLOCK):
        stop = min(block + BLOCK, codes.shape[0])
        for t in range(starts.size - 1):
            a, b, group = starts[t], starts[t + 1], (t % groups) * width
            for first in range(block, stop, GROUP):
                m = min(GROUP, stop - first)
                for i in range(m):
                    going[i] = i
                walk(packed[a:b], sets[a:b], codes[first : first + m], going[:m], at[:m], leaf[:m])
                for i in range(m):
                    for c in range(width):
                        out[first + i, group + c] += value[a + leaf[i], c]
