"""Order of rows that are streamed: blocks of each stream permuted, rows shuffled inside windows of blocks.

A stream of L rows is a ring, cut into blocks of `block` rows from an offset of the epoch on; the
last block may be short and comes last. Blocks that follow each other in the order of the epoch make
a window, whose rows are shuffled. A batch takes rows from all streams in turn: position p of the
epoch is row p // S of the order of stream p % S.
"""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import exact, jit
from hpcfl.kernels.order import below, mix, permute


@exact
def blocks(key: np.uint64, first: int, lengths: np.ndarray, block: int, order: np.ndarray, offset: np.ndarray) -> None:
    """Order the blocks of each stream for an epoch.

    Parameters
    ----------
    key : uint64
        Of the epoch.
    first : int
        Number of the rank's first stream over all ranks.
    lengths : (s,) int64
        Rows of each stream.
    block : int
        Rows of a block.
    order : (s, most blocks) int32, offset : (s,) int64
        Output: the blocks of a stream in order; where its block 0 starts.
    """
    for j in range(lengths.size):
        own = mix(key, first + j)
        offset[j] = below(mix(own, 0), lengths[j])
        full = lengths[j] // block
        permute(mix(own, 1), order[j, :full])
        for b in range(full, order.shape[1]):
            order[j, b] = b


@exact
def shuffle(key: np.uint64, first: int, lengths: np.ndarray, start: int, order: np.ndarray) -> None:
    """Shuffle the rows of one window of each stream.

    Parameters
    ----------
    key, first, lengths
        As in `blocks`.
    start : int
        Rows of a stream before the window.
    order : (s, rows of a window) int32
        Output: numbers within the window; zeros past the stream's end.
    """
    for j in range(lengths.size):
        count = min(max(lengths[j] - start, 0), order.shape[1])
        permute(mix(mix(key, first + j), start), order[j, :count])
        order[j, count:] = 0


@exact
def locate(
    lengths: np.ndarray, starts: np.ndarray, block: int, ordered: np.ndarray, offset: np.ndarray, order: np.ndarray
) -> None:
    """Turn numbers within a window into rows of the rank.

    Parameters
    ----------
    lengths, starts : (s,) int64
        Rows and first local row of each stream.
    block : int
    ordered : (s, blocks of the window) int32
    offset : (s,) int64
    order : (s, rows of a window) int32
        Changed in place.
    """
    for j in range(lengths.size):
        for i in range(order.shape[1]):
            place = offset[j] + ordered[j, order[j, i] // block] * block + order[j, i] % block
            order[j, i] = starts[j] + place % lengths[j]


@exact
def batch(
    begin: int, end: int, streams: int, first: int, orders: np.ndarray, half: int, ends: np.ndarray, rows: np.ndarray
) -> None:
    """Write the rank's rows of the positions [begin, end) of an epoch, stream by stream.

    Parameters
    ----------
    begin, end : int
    streams, first : int
        Streams of all ranks; the first one of this rank.
    orders : (2, s, rows of a window) int32
        Rows of windows, even ones in `half`, odd ones in the other.
    half : int
        Where window 0 of the epoch lies.
    ends : (s + 1,) int64
        Output: rows of the batch before each stream, and all.
    rows : (at least ends[s],) int32
        Output.
    """
    width = orders.shape[2]
    ends[0] = 0
    for j in range(ends.size - 1):
        low = max(begin - first - j + streams - 1, 0) // streams
        high = max(end - first - j + streams - 1, 0) // streams
        for k in range(low, high):
            rows[ends[j] + k - low] = orders[(half + k // width) % 2, j, k % width]
        ends[j + 1] = ends[j] + max(high - low, 0)


@jit
def finite(x: np.ndarray) -> bool:
    """Return whether all values of `x` (n,) float are finite."""
    total = x.dtype.type(0)
    for i in range(x.size):
        total += x[i] * 0
    return total == 0
