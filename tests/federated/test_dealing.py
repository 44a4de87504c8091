"""Dealing clients to ranks of several groups, when rank 0 has work of its own, and keeping many rows of files at once."""

from heapq import heapreplace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcfl.errors import DataError
from hpcfl.federated.cohort import deal, log_steps
from hpcfl.federated.slots import SlotFiles


def slow(cohort, cost, group, groups, first):
    heaps = [[(first * (r == 0), r) for r in np.flatnonzero(groups == g).tolist()] for g in range(groups.max() + 1)]
    heaps, rank = [sorted(heap) for heap in heaps], np.empty(cohort.size, int)
    for place in np.lexsort((cohort, -cost)).tolist():
        load, rank[place] = heaps[group[place]][0]
        heapreplace(heaps[group[place]], (load + cost[place], rank[place]))
    return [np.flatnonzero(rank == r).tolist() for r in range(groups.size)]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 40), st.integers(1, 9), st.integers(1, 3), st.sampled_from([0.0, 7.0, 1e6]), st.integers(0, 99))
def test_dealing_equals_its_twin(m, ranks, count, first, seed):
    rng = np.random.default_rng(seed)
    groups = np.append(np.arange(min(count, ranks)), rng.integers(0, min(count, ranks), max(ranks - count, 0)))
    group, cost = rng.integers(0, groups.max() + 1, m), rng.integers(1, 9, m) * 1.0
    found = deal(np.arange(m), cost, group, groups, first)
    assert [p.tolist() for p in found] == slow(np.arange(m), cost, group, groups, first)


def test_rank_0_is_spared_by_about_what_the_log_takes():
    steps, ones = log_steps(610, 10), np.ones(10, int)
    assert 10 < steps < 100
    places = deal(np.arange(10), 20.0 * ones, 0 * ones, np.zeros(2, int), steps)
    assert [p.size for p in places] == [4, 6]
    assert log_steps(200_000, 10) < steps / 3


def test_rows_of_many_slots_are_read_and_written_at_once(tmp_path):
    files, rows = SlotFiles(tmp_path, 1, 0, 32, 1 << 20), np.arange(12.0).reshape(3, 4)[:, :2].copy()
    for part in (0, 1):
        files.write(np.array([2, 0, 5]), part, rows + part)
    got = np.full((3, 2), -1.0)
    files.read(np.array([files.handle, -1, files.handle], np.int32), np.array([5, 0, 2]), 1, got)
    assert got.tolist() == [[9.0, 10.0], [-1.0, -1.0], [1.0, 2.0]]
    with pytest.raises(DataError, match="not all there"):
        files.read(np.array([files.open(1, 0)], np.int32), np.array([7]), 0, got[:1])
