"""Rows through trees: many rows at a time step down together, so that none waits for another's memory."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import exact

BLOCK = 4096  # rows that pass a tree together: a tree's nodes and their bins stay in the second cache
SET, LEAF, FEATURE = np.uint64(41), np.uint64(42), np.uint64(43)
ONE, BYTE, CHILD = np.uint64(1), np.uint64(255), np.uint64(0xFFFFFFFF)


@exact
def pack(node, packed):
    """Pack (k, 3) int32 nodes into one uint64 each, from which a step needs no branch.

    From the lowest bit: left child 32, bound 8, lift 1, whether it is a set 1, a leaf 1, feature 21.
    A row goes right if its bin + lift, as a byte, is above the bound: a lift of 1 brings missing
    values, bin 255, to 0 and so to the left.
    """
    for i in range(node.shape[0]):
        leaf, rule = node[i, 0] < 0, np.int64(node[i, 1])
        lift = np.int64(rule & 256 != 0)
        bound = 255 if leaf or rule >= 512 else (rule & 255) + lift
        word = np.uint64(0 if leaf else node[i, 2]) | (np.uint64(bound) << np.uint64(32))
        word |= (np.uint64(lift) << np.uint64(40)) | (np.uint64(rule >= 512) << SET) | (np.uint64(leaf) << LEAF)
        packed[i] = word | (np.uint64(0 if leaf else node[i, 0]) << FEATURE)


@exact
def arrive(packed, sets, codes, going, at):
    """Move the rows that `going` (m,) names, of `codes` (n, d), from the nodes in `at` (n,) to their leaves.

    `going` is used up. `sets` (k, 4) are looked at for nodes that are sets. All indices are unsigned:
    with signed ones each access would first be checked for being counted from the end.
    """
    m = going.size
    while m > 0:
        still = np.uint64(0)
        for j in range(m):
            i = going[j]
            here = at[i]
            word = packed[here]
            code = np.uint64(codes[i, word >> FEATURE])
            right = ((code + ((word >> np.uint64(40)) & ONE)) & BYTE) > ((word >> np.uint64(32)) & BYTE)
            if (word >> SET) & ONE:
                right = (sets[here, code >> np.uint64(6)] >> (code & np.uint64(63))) & ONE == 0
            leaf = (word >> LEAF) & ONE
            at[i] = here if leaf else np.uint32((word & CHILD) + np.uint64(right))
            going[still] = i
            still += ONE - leaf
        m = np.int64(still)


@exact
def leaves(packed, sets, codes, rows, out):
    """Put into ``out[i]`` the leaf of one tree that row i of `codes` arrives in, for i in `rows`; both uint32."""
    for j in range(rows.size):
        out[rows[j]] = 0
    arrive(packed, sets, codes, rows.copy(), out)


@exact
def predict(packed, sets, starts, value, codes, out):
    """Add to `out` (n, outputs) the values of all trees; tree t is added to output t % k of width value.shape[1].

    `starts` (trees + 1,) bounds each tree's nodes; children are counted from a tree's first node.
    """
    width = value.shape[1]
    groups = out.shape[1] // width
    going, at = np.empty(BLOCK, np.uint32), np.empty(BLOCK, np.uint32)
    for first in range(0, codes.shape[0], BLOCK):
        m = min(BLOCK, codes.shape[0] - first)
        for t in range(starts.size - 1):
            a, b, group = starts[t], starts[t + 1], (t % groups) * width
            for i in range(m):
                going[i], at[i] = i, 0
            arrive(packed[a:b], sets[a:b], codes[first : first + m], going[:m], at[:m])
            for i in range(m):
                for c in range(width):
                    out[first + i, group + c] += value[a + at[i], c]
