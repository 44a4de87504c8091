"""A sum in one fixed order: group vectors are added in a binary tree that no rank count changes."""

from __future__ import annotations

import numpy as np

from hpcfl.comm.communicator import Comm

Node = tuple[int, int, np.ndarray]  # first group, groups, their sum


class TreeSum:
    """Adds the vectors of `groups` groups, each rank holding a run of them.

    Each rank adds the aligned subtrees inside its run as the vectors come; then every rank
    receives its slice of the coordinates of all subtrees, finishes the tree there, and the
    slices are brought together. An addition of two given vectors has the same bits everywhere,
    and which two are added depends on their group numbers alone.

    Parameters
    ----------
    comm : Comm
    groups : int
        A power of two.
    runs : (ranks + 1,) int array
        Bounds of each rank's run of groups.
    like : (P,) array
        Gives length and dtype of the vectors.
    """

    def __init__(self, comm: Comm, groups: int, runs: np.ndarray, like: np.ndarray) -> None:
        self.comm, self.size, self.dtype = comm, like.size, like.dtype
        self.bounds = like.size * np.arange(comm.size + 1) // comm.size
        self.subtrees = [_cover(int(runs[r]), int(runs[r + 1])) for r in range(comm.size)]
        self.first = int(runs[comm.rank])
        self.spare = [np.empty_like(like) for _ in range(2 * groups.bit_length() + 1)]
        mine = int(np.diff(self.bounds)[comm.rank])
        self.received = np.empty((sum(len(s) for s in self.subtrees), mine), like.dtype)
        self.packed = np.empty(len(self.subtrees[comm.rank]) * like.size, like.dtype)
        self.stack: list[Node] = []

    def buffer(self) -> np.ndarray:
        """Return a vector to write the next group of this rank into; then call `push`."""
        return self.spare[-1]

    def push(self) -> None:
        """Add the vector that was written into `buffer` to the tree (local)."""
        start = self.stack[-1][0] + self.stack[-1][1] if self.stack else self.first
        _merge(self.stack, (start, 1, self.spare.pop()), self.spare)

    def finish(self, out: np.ndarray) -> None:
        """Write the sum over all groups of all ranks into `out` (collective)."""
        if self.comm.size == 1:
            out[:] = self.stack[0][2]
        else:
            self._exchange(out)
        self.spare += [vector for _, _, vector in self.stack]
        self.stack.clear()

    def _exchange(self, out: np.ndarray) -> None:
        own, counts = len(self.stack), np.diff(self.bounds)
        at = 0
        for r in range(self.comm.size):
            for _, _, vector in self.stack:
                part = vector[self.bounds[r] : self.bounds[r + 1]]
                self.packed[at : at + part.size] = part
                at += part.size
        mine = counts[self.comm.rank]
        sizes = np.array([len(s) for s in self.subtrees]) * mine
        self.comm.exchange(self.packed[:at], counts * own, self.received, sizes, "tree")
        done: list[Node] = []
        nodes = [node for run in self.subtrees for node in run]
        for (start, width), vector in zip(nodes, self.received, strict=True):
            _merge(done, (start, width, vector), [])
        self.comm.share(done[0][2], out, counts, "tree")


def _cover(start: int, stop: int) -> list[tuple[int, int]]:
    """Return the aligned subtrees (first group, groups) that make up the run [start, stop)."""
    stack: list[tuple[int, int]] = []
    for group in range(start, stop):
        stack.append((group, 1))
        while _siblings(stack):
            (a, width), _ = stack[-2:]
            stack[-2:] = [(a, 2 * width)]
    return stack


def _siblings(stack: list[tuple[int, int]]) -> bool:
    return len(stack) > 1 and stack[-2][1] == stack[-1][1] and stack[-2][0] % (2 * stack[-2][1]) == 0


def _merge(stack: list[Node], node: Node, free: list[np.ndarray]) -> None:
    """Push `node`, adding right siblings to left ones in place; freed vectors go to `free`."""
    stack.append(node)
    while _siblings([(a, n) for a, n, _ in stack[-2:]]):
        start, width, left = stack[-2]
        right = stack.pop()[2]
        left += right
        free.append(right)
        stack[-1] = (start, 2 * width, left)
