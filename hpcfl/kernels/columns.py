"""A set of columns as a bitmap: sorted and unique without a sort, and the place of each among them (Jacobson 1989).

A word of `bits` holds 64 columns, one of `groups` says which of 64 words of `bits` are not zero, and `before` says how
many columns come before a word. All three together are an eighth of a float32 per column that there could be.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from hpcfl.kernels.flags import exact_part, jit

ONE, LOW = np.uint64(1), np.uint64(63)
WORD, GROUP = np.uint64(6), np.uint64(12)  # shifts from a column to its word of bits, and of the groups


class Columns(NamedTuple):
    """The set; empty between calls.

    Attributes
    ----------
    bits, groups : (words,), (words / 64,) uint64
    before : (words,) int32
        Valid for words that are not zero, once the columns are `listed`.
    """

    bits: np.ndarray
    groups: np.ndarray
    before: np.ndarray


class Gradient(NamedTuple):
    """A gradient at some columns, from the start of arrays with room for more.

    Attributes
    ----------
    columns : (room,) int32
        Sorted, each once.
    values : (room * k,) float
        k derivatives a column.
    """

    columns: np.ndarray
    values: np.ndarray


def empty(n: int) -> Columns:
    """Return the empty set of columns below `n`."""
    words = n // 64 + 1
    return Columns(np.zeros(words, np.uint64), np.zeros(words // 64 + 1, np.uint64), np.zeros(words, np.int32))


@intrinsic
def ones(typingctx: Any, word: Any) -> Any:
    """Return how many bits of a word are set."""
    return types.uint64(types.uint64), lambda context, builder, sig, args: builder.ctpop(args[0])


@intrinsic
def lowest(typingctx: Any, word: Any) -> Any:
    """Return the number of the lowest bit that is set, of a word that is not zero."""
    yes = ir.Constant(ir.IntType(1), 1)
    return types.uint64(types.uint64), lambda context, builder, sig, args: builder.cttz(args[0], yes)


@exact_part
def mark(bits, groups, columns, a, b):
    """Add `columns` from `a` to `b` to the set."""
    for e in range(np.uint64(a), np.uint64(b)):
        c = np.uint64(columns[e])
        bits[c >> WORD] |= ONE << (c & LOW)
        groups[c >> GROUP] |= ONE << ((c >> WORD) & LOW)


@exact_part
def listed(bits, groups, before, out):
    """Write the columns of the set, sorted, into `out`, and return how many there are."""
    n = 0
    for i in range(groups.size):
        words = groups[i]
        while words:
            word = (np.uint64(i) << WORD) + lowest(words)
            words &= words - ONE
            before[word] = n
            held = bits[word]
            while held:
                out[n] = (word << WORD) + lowest(held)
                n += 1
                held &= held - ONE
    return n


@exact_part
def place(held, before, c):
    """Return the place of column `c` of the set, from its word of the bits and what comes before."""
    return np.uint64(before) + ones(held & ((ONE << (c & LOW)) - ONE))


@exact_part
def clear(bits, groups, columns, n):
    """Empty the set that holds `columns` (n,)."""
    for i in range(n):
        c = np.uint64(columns[i])
        bits[c >> WORD] = 0
        groups[c >> GROUP] = 0


@exact_part
def bound(columns, start, count, part, parts):
    """Return the first column of a part, so that the sorted `columns` of one message are in equal parts."""
    if part == parts:
        return np.int64(1 << 32)
    return np.int64(0 if part == 0 or count == 0 else columns[start + count * part // parts])


@exact_part
def search(columns, a, b, least):
    """Return the first place from `a` to `b` whose column is `least` or more; `b` if there is none."""
    while a < b:
        middle = (a + b) // 2
        if columns[middle] < least:
            a = middle + 1
        else:
            b = middle
    return a


@jit
def merge(messages, starts, counts, part, parts, held, out):
    """Add up a part of the columns of several messages, in their order, and return how many columns it has.

    Parameters
    ----------
    messages : Gradient
        Those of all ranks in one.
    starts, counts : (ranks,) int64
        First column and number of columns of each message.
    part, parts : int
        Which columns: the message of rank 0 says where a part ends.
    held : Columns
    out : Gradient
        Output.
    """
    columns, values = messages.columns, messages.values
    bits, groups, before = held.bits, held.groups, held.before
    listing, total = out.columns, out.values
    k = values.size // columns.size
    low = bound(columns, starts[0], counts[0], part, parts)
    high = bound(columns, starts[0], counts[0], part + 1, parts)
    for r in range(starts.size):
        end = starts[r] + counts[r]
        a = search(columns, starts[r], end, low)
        mark(bits, groups, columns, a, search(columns, a, end, high))
    n = listed(bits, groups, before, listing)
    total[: n * k] = 0
    for r in range(starts.size):
        end = starts[r] + counts[r]
        a = search(columns, starts[r], end, low)
        for e in range(a, search(columns, a, end, high)):
            c = np.uint64(columns[e])
            at = place(bits[c >> WORD], before[c >> WORD], c) * np.uint64(k)
            for j in range(k):
                total[at + np.uint64(j)] += values[e * k + j]
    clear(bits, groups, listing, n)
    return n
