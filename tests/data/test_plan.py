"""Each row exactly once an epoch, for any n, batch, ranks: properties over random inputs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcfl.data import plan
from hpcfl.data.shard import Shard
from hpcfl.errors import UsageError
from hpcfl.trainers.order import Order

sizes = st.tuples(st.integers(1, 400), st.integers(1, 150), st.integers(1, 9), st.booleans())


def make(n, batch, ranks, grouped):
    return plan.grouped(n, batch, ranks, 0) if grouped else plan.batches(n, batch, ranks)


def try_make(*args):
    try:
        return make(*args)
    except UsageError:
        return None


def batches(p, ranks, epoch=0, seed=0):
    """Return the global rows of each step, as sets, gathered over all ranks."""
    steps = []
    for rank in range(ranks):
        order = Order(p, Shard(None, np.empty((0, 2)), np.empty(0)), rank, seed)
        order.begin(epoch)
        steps.append([order.batch(t).rows + p.cuts[rank] for t in range(order.steps)])
    return [np.concatenate(parts) for parts in zip(*steps, strict=True)]


@given(sizes)
def test_each_row_once_an_epoch(case):
    n, batch, ranks, grouped = case
    p = try_make(n, batch, ranks, grouped)
    if p is None:
        assert ranks > 1
        return
    steps = batches(p, ranks)
    assert sorted(np.concatenate(steps)) == list(range(n))
    assert all(len(s) == min(batch, n) for s in steps[:-1])


@given(sizes)
def test_ranks_do_not_change_a_step(case):
    n, batch, ranks, grouped = case
    p, one = try_make(n, batch, ranks, grouped), make(n, batch, 1, grouped)
    if p is not None:
        for a, b in zip(batches(p, ranks), batches(one, 1), strict=True):
            np.testing.assert_array_equal(a, b)


def test_epochs_differ_and_repeat():
    p = plan.batches(100, 10, 1)
    first, second = batches(p, 1, 0), batches(p, 1, 1)
    assert any((a != b).any() for a, b in zip(first, second, strict=True))
    for a, b in zip(first, batches(p, 1, 0), strict=True):
        np.testing.assert_array_equal(a, b)


def test_balance_of_three_ranks():
    p = plan.batches(60000, 128, 3)
    assert np.diff(p.cuts).max() / np.diff(p.cuts).mean() < 1.02


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: plan.batches(100, 4, 5), "train.batch_size to 5"),
        (lambda: plan.grouped(1000, 64, 4, 0), "train.groups to 4"),
        (lambda: plan.grouped(1000, 4, 1, 8), "at most 4 groups"),
        (lambda: plan.even(3, 5), "at most 3 ranks"),
    ],
)
def test_refusals_say_what_to_set(call, says):
    with pytest.raises(UsageError, match=says):
        call()
