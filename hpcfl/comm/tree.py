"""A sum in one fixed order: group vectors are added in a binary tree that no rank count changes."""

from __future__ import annotations

import numpy as np

from hpcfl.comm import heart
from hpcfl.comm.communicator import Comm, alone
from hpcfl.comm.gate import Gate
from hpcfl.comm.slices import Slices
from hpcfl.comm.summer import SMALL
from hpcfl.comm.window import shared

Run = tuple[int, int]  # first group, groups


class TreeSum:
    """Adds the vectors of `groups` groups, each rank holding a run of them.

    Each rank adds the aligned subtrees inside its run as the vectors come; then every rank
    finishes the tree on its slice of the coordinates of all subtrees, and the slices are brought
    together: in memory that the ranks share if they are on one node, else by two exchanges. An
    addition of two given vectors has the same bits everywhere, and which two are added depends on
    their group numbers alone.

    Parameters
    ----------
    comm : Comm
    groups : int
        A power of two.
    runs : (ranks + 1,) int array
        Bounds of each rank's run of groups.
    size : int
        Length P of the vectors.
    dtype : dtype
    tail : int
        If not 0, each rank may keep the slice of a long vector that it added up, and so many words at the end.

    Attributes
    ----------
    slices : Slices or None
        What the ranks keep, if not all.
    total : (P,) or (slice + tail,) array
        The sum, to be read until the next `finish`.
    """

    def __init__(
        self, comm: Comm, groups: int, runs: np.ndarray, size: int, dtype: np.typing.DTypeLike, tail: int = 0
    ) -> None:
        self.comm = comm
        self.subtrees = [_cover(int(runs[r]), int(runs[r + 1])) for r in range(comm.size)]
        self.first, self.stack = int(runs[comm.rank]), list[Run]()
        node, depth = comm.on_node(), 2 * groups.bit_length() + 1
        self.near = comm.max(node.size) == comm.size
        shape = (comm.size * depth + 1, size) if self.near else (depth + 1, size)
        memory = shared(node, shape, dtype) if self.near and comm.size > 1 else np.zeros(shape, dtype)
        self.gate = Gate(node if self.near else alone())
        self.total, self.slots = memory[-1], memory[:-1].reshape(-1, depth, size)
        self.mine = self.slots[comm.rank if self.near else 0]
        sliced = tail and self.near and comm.size > 1 and size * comm.size > SMALL and not heart.enabled()
        self.slices = Slices(node, self.gate, size - tail) if sliced else None
        self.bounds = (self.slices.size if self.slices else size) * np.arange(comm.size + 1) // comm.size
        mine = int(np.diff(self.bounds)[comm.rank])
        if sliced:
            self.total = np.zeros(mine + tail, dtype)
        far = 0 if self.near else sum(len(s) for s in self.subtrees)
        self.received = np.empty((far, mine), dtype)
        self.packed = np.empty(size * len(self.subtrees[comm.rank]) if far else 0, dtype)

    def buffer(self) -> np.ndarray:
        """Return the vector to write the next group, or aligned subtree, of this rank into; then call `push`."""
        return np.asarray(self.mine[len(self.stack)])

    def push(self, groups: int = 1) -> None:
        """Add the vector that was written into `buffer`, the sum of so many groups, to the tree (local)."""
        start = sum(self.stack[-1]) if self.stack else self.first
        self.stack.append((start, groups))
        _merge(self.stack, list(self.mine[: len(self.stack)]))

    def finish(self) -> None:
        """Write the sum over all groups of all ranks into `total` (collective).

        If it is a slice, others read and write what is in `buffer` until all have met once more.
        """
        if self.comm.size == 1:
            self.total[:] = self.mine[0]
        elif self.near:
            self._beside()
        else:
            self._exchange()
        self.stack.clear()

    def _beside(self) -> None:
        a, b = self.bounds[self.comm.rank : self.comm.rank + 2]
        self.comm.count("tree", self.mine[0].nbytes)
        self.gate.meet()  # all subtrees are written
        vectors = [self.slots[r, s] for r, run in enumerate(self.subtrees) for s in range(len(run))]
        done = _finished(self.subtrees, [v[a:b] for v in vectors])
        if self.slices:
            self.total[: b - a] = done
            self.total[b - a :] = _finished(self.subtrees, [v[self.slices.size :].copy() for v in vectors])
        else:
            self.total[a:b] = done
            self.gate.meet()  # all slices are there

    def _exchange(self) -> None:
        own, counts = len(self.stack), np.diff(self.bounds)
        at = 0
        for r in range(self.comm.size):
            for vector in self.mine[:own]:
                part = vector[self.bounds[r] : self.bounds[r + 1]]
                self.packed[at : at + part.size] = part
                at += part.size
        mine = counts[self.comm.rank]
        sizes = np.array([len(s) for s in self.subtrees]) * mine
        self.comm.exchange(self.packed[:at], counts * own, self.received, sizes, "tree")
        self.comm.share(_finished(self.subtrees, list(self.received)), self.total, counts, "tree")


def _cover(start: int, stop: int) -> list[Run]:
    """Return the aligned subtrees (first group, groups) that make up the run [start, stop)."""
    stack: list[Run] = []
    for group in range(start, stop):
        stack.append((group, 1))
        while _siblings(stack):
            (a, width), _ = stack[-2:]
            stack[-2:] = [(a, 2 * width)]
    return stack


def _siblings(stack: list[Run]) -> bool:
    return len(stack) > 1 and stack[-2][1] == stack[-1][1] and stack[-2][0] % (2 * stack[-2][1]) == 0


def _merge(stack: list[Run], vectors: list[np.ndarray]) -> None:
    """Add right siblings at the end of the stack to left ones, in place."""
    while _siblings(stack):
        (start, width), _ = stack[-2:]
        vectors[-2] += vectors[-1]
        vectors.pop()
        stack[-2:] = [(start, 2 * width)]


def _finished(subtrees: list[list[Run]], vectors: list[np.ndarray]) -> np.ndarray:
    """Return the sum of the subtrees of all ranks; vectors are overwritten."""
    stack: list[Run] = []
    done: list[np.ndarray] = []
    for run, vector in zip((run for runs in subtrees for run in runs), vectors, strict=True):
        stack.append(run)
        done.append(vector)
        _merge(stack, done)
    return done[0]
