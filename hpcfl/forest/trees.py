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
    gain : (k,) float32
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
        forest_predict.pack(self.node, self.starts, out)
        return out

    def part(self, a: int, b: int) -> Trees:
        """Return trees a to b - 1 (views)."""
        i, j = self.starts[a], self.starts[b]
        return Trees(
            self.node[i:j], self.gain[i:j], self.value[i:j], self.sets[i:j], self.starts[a : b + 1] - self.starts[a]
        )


def empty(width: int, words: int) -> Trees:
    """Return no trees, of values `width` wide and sets of `words` words."""
    values, sets = np.empty((0, width), np.float32), np.empty((0, words), np.uint64)
    return Trees(np.empty((0, 3), np.int32), np.empty(0, np.float32), values, sets, np.zeros(1, np.int64))


def join(parts: list[Trees]) -> Trees:
    """Return all trees of `parts` (at least one) as one; the list is used up.

    What only `parts` holds is gone as soon as it is copied, so that little is there twice.
    """
    some = [p for p in parts if p.count] or parts[:1]
    parts.clear()
    if len(some) == 1:
        return some.pop()
    sizes = np.concatenate([np.diff(p.starts) for p in some])
    columns = [[p.node for p in some], [p.gain for p in some], [p.value for p in some], [p.sets for p in some]]
    some.clear()
    node, gain, value, sets = (_stack(column) for column in columns)
    return Trees(node, gain, value, sets, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))


def _stack(parts: list[np.ndarray]) -> np.ndarray:
    """Return arrays one after the other, taken out of the list one by one."""
    out, at = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype), 0
    while parts:
        part = parts.pop(0)
        out[at : at + len(part)] = part
        at += len(part)
    return out


@dataclass
class Grove:
    """All trees of a run, in the parts that they were grown in: memory for twice as many is never needed."""

    parts: list[Trees]

    @property
    def count(self) -> int:
        """Number of trees."""
        return sum(part.count for part in self.parts)

    def since(self, first: int) -> Trees:
        """Return the trees from number `first` on."""
        before = self.count - self.parts[-1].count
        found, skip = (self.parts[-1], first - before) if first >= before else (self.whole(), first)
        return found.part(skip, found.count)

    def whole(self) -> Trees:
        """Return all of them, which are one part from then on."""
        self.parts.append(join(self.parts))
        return self.parts[0]


def gather(own: Trees, comm: Comm) -> Trees:
    """Return the trees of all ranks, in the order of the ranks (collective)."""
    sizes = comm.allgatherv(np.diff(own.starts), "trees")
    return Trees(
        comm.allgatherv(own.node.reshape(-1), "trees").reshape(-1, 3),
        comm.allgatherv(own.gain, "trees"),
        comm.allgatherv(own.value.reshape(-1), "trees").reshape(-1, own.value.shape[1]),
        comm.allgatherv(own.sets.reshape(-1), "trees").reshape(int(sizes.sum()), own.sets.shape[1]),
        np.concatenate([[0], np.cumsum(sizes)]),
    )
