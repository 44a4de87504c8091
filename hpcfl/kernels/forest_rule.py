"""What the kernels that grow trees are given: how to split, where to work, where nodes go."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hpcfl.kernels.flags import exact

MISSING = 255
BINS = 256
NEAR = 1024  # rows of a node below which their bins are copied together: scattered, each read misses the cache


class Rule(NamedTuple):
    """How nodes are split.

    Attributes
    ----------
    kinds : (d,) uint8
        1 for categorical features.
    spec : (5,) int64
        Classes (1 for values), shift, levels left (-1: no limit), features tried, 1 for random cuts.
    limits : (5,) float64
        Penalty added to h, least gain relative to the node's score (-1: any), least gain, least h of a
        child, least rows of a child (at the node's mean h a row).
    """

    kinds: np.ndarray
    spec: np.ndarray
    limits: np.ndarray


class Work(NamedTuple):
    """What the search of one node's split writes to.

    Attributes
    ----------
    hist, bits : (256 * width,) int64, (16,) uint64
        Of a feature: its histogram, and a bit for each bin in use in any of four sets of four words.
    sums : (3, width + 1) int64
        Row 1: the node's sums per class, or g; h last. The other rows are work.
    bins, scores : (256,) int64, (2, 264) int64
        Bins in some order; sums and scores by bin, padded to whole vectors.
    best : (4,) float64
        Score, feature (-1: none), rule, h of the left side. A rule is threshold + 256 * (missing values go left).
    chosen : (4,) uint64
        Where the rule is a set: the bins that go left.
    """

    hist: np.ndarray
    bits: np.ndarray
    sums: np.ndarray
    bins: np.ndarray
    scores: np.ndarray
    best: np.ndarray
    chosen: np.ndarray


class Room(NamedTuple):
    """What the growth of one tree of m rows writes to beside the tree.

    Attributes
    ----------
    work : Work
    perm, goes : (d,) int64, (256,) uint8
        Features in some order; which bins go left.
    near : (least of m and NEAR, d) uint8
        Bins of the rows of a small node, each feature contiguous.
    order, stats : (m,) int32, int64
        Rows that go right, and what they add.
    todo, keys : (m + 1, 4) int32, (m + 1,) uint64
        Nodes that wait: first row, last + 1, number, level; their keys.
    """

    work: Work
    perm: np.ndarray
    goes: np.ndarray
    near: np.ndarray
    order: np.ndarray
    stats: np.ndarray
    todo: np.ndarray
    keys: np.ndarray


class Nodes(NamedTuple):
    """Room for the nodes of a tree.

    Attributes
    ----------
    node : (c, 3) int32
        Feature (-1: a leaf), rule, left child (the right one follows it).
    gain : (c,) float32
        How much a split raised the score.
    value : (c, classes or 1) float64
        Shares of the classes, or g / (h + penalty).
    sets : (c, 4 or 0) uint64
        The bins that go left where the rule is a set; not there without categorical features.
    """

    node: np.ndarray
    gain: np.ndarray
    value: np.ndarray
    sets: np.ndarray


@exact
def bench(width):
    """Return room for the search of a split among histograms of `width` numbers a bin."""
    return Work(
        np.zeros(BINS * width, np.int64), np.zeros(16, np.uint64), np.zeros((3, width + 1), np.int64),
        np.zeros(BINS, np.int64), np.zeros((2, BINS + 8), np.int64), np.zeros(4), np.zeros(4, np.uint64),
    )  # fmt: skip


@exact
def room(m, d, classes):
    """Return room for the growth of a tree of `m` rows of `d` features."""
    return Room(
        bench(1 if classes < 3 else classes), np.arange(d), np.empty(BINS, np.uint8),
        np.empty((d, min(NEAR, m)), np.uint8).T, np.empty(m, np.int32), np.empty(m, np.int64),
        np.empty((m + 1, 4), np.int32), np.empty(m + 1, np.uint64),
    )  # fmt: skip
