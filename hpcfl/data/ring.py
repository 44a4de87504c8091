"""Where blocks of streams go: a stream is a ring of rows, and each block of a window has a slot of its own."""

from __future__ import annotations

import numpy as np

WINDOW = 4  # blocks of a stream whose rows are shuffled together


def runs(
    starts: np.ndarray, lengths: np.ndarray, block: int, blocks: np.ndarray, offset: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the runs of local rows that a window consists of, slot by slot.

    Parameters
    ----------
    starts, lengths : (s,) int64
        First local row and rows of each stream.
    block : int
        Rows of a block, and of a slot.
    blocks : (s, m) int32
        The window's blocks, of at most WINDOW.
    offset : (s,) int64
        Where the block 0 of each stream starts.

    Returns
    -------
    tuple of (n,) int64
        First row of each run, its rows, and its place in the slots.
    """
    start, length, before = starts[:, None], lengths[:, None], blocks.astype(np.int64) * block
    count = np.clip(length - before, 0, block)
    place = (offset[:, None] + before) % length
    end = np.minimum(count, length - place)  # the ring's, in a block
    slot = (np.arange(len(starts))[:, None] * WINDOW + np.arange(blocks.shape[1])) * block
    first = np.stack([start + place, np.broadcast_to(start, place.shape)], 2)
    rows, at = np.stack([end, count - end], 2), np.stack([slot, slot + end], 2)
    some = rows > 0
    return first[some], rows[some], at[some]


def kept(lengths: np.ndarray, block: int, hold: int) -> int:
    """Return how many of the first streams fit into `hold` rows as a whole, beside slots for the others."""
    slots = 2 * WINDOW * block
    fits = np.flatnonzero(len(lengths) * slots + np.cumsum(lengths - slots) <= hold)
    return int(fits.max(initial=-1)) + 1


def most_values(lengths: np.ndarray, block: int) -> int:
    """Return the most values that `block` rows of a ring have together; row i has ``lengths[i]``."""
    ends = np.concatenate([[0], np.cumsum(np.concatenate([lengths, lengths[:block]]))])
    step = min(block, len(lengths))
    return int((ends[step:] - ends[:-step]).max())
