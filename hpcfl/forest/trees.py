"""Trees as flat arrays: joined, gathered over ranks, put into one order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.kernels import forest_predict


@dataclass(frozen=True)
class Trees:
    """Several trees, one after the other.

    Attributes
    ----------
    node : (k, 3) int32
        Feature (-1 in a leaf), rule (highest bin that goes left, + 256 if missing values do; 512: the
        bins in `sets` do), left child counted from the tree's first node (the right one follows it).
    gain : (k,) float64
        How much the split raised the score.
    value : (k, width) float32
        Shares of the classes (of the second one alone if there are two), or the mean target.
    sets : (k, 4 or 0) uint64
        A bit for each bin that goes left; (k, 0) if no feature is categorical.
    starts : (trees + 1,) int64
        First node of each tree, and the number of nodes last.
    """

    node: np.ndarray
    gain: np.ndarray
    value: np.ndarray
    sets: np.ndarray
    starts: np.ndarray

    @property
    def count(self) -> int:
        """Number of trees."""
        return self.starts.size - 1

    def packed(self) -> np.ndarray:
        """Return the nodes as the uint64 words that prediction reads, (k,)."""
        out = np.empty(len(self.node), np.uint64)
        forest_predict.pack(self.node, out)
        return out

    def part(self, a: int, b: int) -> Trees:
        """Return trees a to b - 1 (views)."""
        i, j = self.starts[a], self.starts[b]
        return Trees(
            self.node[i:j], self.gain[i:j], self.value[i:j], self.sets[i:j], self.starts[a : b + 1] - self.starts[a]
        )

    def pick(self, which: np.ndarray) -> Trees:
        """Return the trees numbered `which`, in that order."""
        rows = [np.arange(self.starts[t], self.starts[t + 1]) for t in which]
        all_rows = np.concatenate([np.empty(0, np.int64), *rows])
        starts = np.cumsum([0] + [r.size for r in rows])
        return Trees(self.node[all_rows], self.gain[all_rows], self.value[all_rows], self.sets[all_rows], starts)


def empty(width: int, words: int, dtype: np.typing.DTypeLike = np.float32) -> Trees:
    """Return no trees, of values `width` wide and sets of `words` words."""
    values, sets = np.empty((0, width), dtype), np.empty((0, words), np.uint64)
    return Trees(np.empty((0, 3), np.int32), np.empty(0), values, sets, np.zeros(1, np.int64))


def join(parts: list[Trees]) -> Trees:
    """Return all trees of `parts` (at least one) as one."""
    sizes = np.concatenate([np.diff(p.starts) for p in parts])
    return Trees(
        np.concatenate([p.node for p in parts]),
        np.concatenate([p.gain for p in parts]),
        np.concatenate([p.value for p in parts]),
        np.concatenate([p.sets for p in parts]),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
    )


def gather(own: Trees, numbers: np.ndarray, comm: Comm) -> Trees:
    """Return the trees of all ranks in the order of their `numbers` (collective)."""
    order = np.argsort(comm.allgatherv(np.asarray(numbers, np.int64), "trees"), kind="stable")
    sizes = comm.allgatherv(np.diff(own.starts), "trees")
    every = Trees(
        comm.allgatherv(own.node.reshape(-1), "trees").reshape(-1, 3),
        comm.allgatherv(own.gain, "trees"),
        comm.allgatherv(own.value.reshape(-1), "trees").reshape(-1, own.value.shape[1]),
        comm.allgatherv(own.sets.reshape(-1), "trees").reshape(int(sizes.sum()), own.sets.shape[1]),
        np.concatenate([[0], np.cumsum(sizes)]),
    )
    return every if (np.diff(order) > 0).all() else every.pick(order)
