"""Streamed rows: each once an epoch, the same on any number of ranks, from memory and from disk alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcfl.comm.communicator import world
from hpcfl.data import h5, plan, shard
from hpcfl.data.lazy import Lazy
from hpcfl.data.ring import WINDOW, kept
from hpcfl.data.shard import Shard
from hpcfl.data.stream import Stream
from hpcfl.errors import DataError
from hpcfl.sections.data import Data


def steps(n, streams, batch, block, ranks, epoch, first=0):
    """Return the global rows of each step, by rank and in order of streams."""
    cut = plan.streamed(n, batch, streams, ranks, None)
    out = None
    for rank in range(ranks):
        rows = np.arange(*cut.cuts[rank : rank + 2])
        order = Stream(cut, Shard(rows, np.ones((len(rows), 2)), rows), batch, block, rank, 3)
        order.begin(epoch, first)
        mine = [rows[order.batch(step).rows] for step in range(first, order.steps)]
        out = mine if out is None else [np.append(a, b) for a, b in zip(out, mine, strict=True)]
    return out


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 400), st.integers(1, 9), st.integers(1, 40), st.integers(1, 7), st.integers(0, 3))
def test_each_row_once_and_no_rank_matters(data, n, streams, batch, block, epoch):
    batch = min(batch, 4 * block * min(streams, batch, n))
    ranks = data.draw(st.integers(1, min(streams, batch, n)))
    one = steps(n, streams, batch, block, 1, epoch)
    assert sorted(np.concatenate(one)) == list(range(n))
    assert [len(s) for s in one] == [min(batch, n - a) for a in range(0, n, batch)]
    assert all((a == b).all() for a, b in zip(one, steps(n, streams, batch, block, ranks, epoch), strict=True))
    first = len(one) // 2
    late = steps(n, streams, batch, block, 1, epoch, first)
    assert all((a == b).all() for a, b in zip(one[first:], late, strict=True))


def test_epochs_differ_and_rows_are_mixed():
    a, b = (np.concatenate(steps(4000, 4, 20, 50, 1, epoch)) for epoch in (0, 1))
    assert (a == b).mean() < 0.05
    assert (np.abs(np.diff(a.reshape(-1, 5)[:, 0])) > 5).mean() > 0.9


@pytest.mark.parametrize("kind", ["uint8", "float16", "float32", "float64", "csr"])
@pytest.mark.parametrize("hold", [0, 400, 10**6])
def test_rows_from_disk_equal_those_in_memory(tmp_path, kind, hold):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 200, (700, 5)).astype("float32" if kind == "csr" else kind)
    arrays = {"x": x, "y": rng.integers(0, 3, 700)}
    if kind == "csr":
        x *= rng.random(x.shape) < 0.5
        of = x != 0
        arrays |= {"x/data": x[of], "x/indices": np.nonzero(of)[1].astype(np.int32)}
        arrays |= {"x/indptr": np.append(0, np.cumsum(of.sum(1)))}
        del arrays["x"]
    h5.write_atomic(tmp_path / "a.h5", arrays, {"format": "hpcfl", "features": 5})
    found = []
    for limit in (1e-6, 100.0):
        data = Data(train=str(tmp_path / "a.h5"), order="blocks", streams=4, memory_limit=limit)
        shards = shard.load(data, 0, "float32", world(), lambda n: plan.streamed(n, 40, 4, 1, None))
        assert isinstance(shards.train.x, Lazy) == (limit < 1)
        order = Stream(shards.plan, shards.train, 40, 5, 0, 0, hold)
        if limit < 1 and kind != "csr":
            # 4 streams of 140 rows; a stream's slots have 2 windows of 4 blocks of 5.
            assert len(order.train.x) == {0: 4 * 40, 400: 2 * 40 + 2 * 140, 10**6: 560}[hold]
        rows = []
        for epoch in range(3):
            order.begin(epoch)
            rows += [taken(order.train, order.batch(step).rows) for step in range(order.steps)]
        order.close()
        found.append((rows, np.concatenate([dense(part) for part in shards.test.parts()]), shards.test.y))
    for a, b in zip(*found, strict=True):
        assert all((p == q).all() for p, q in zip(a, b, strict=True))
    assert found[0][0][0][:, :5].any()


def dense(x):
    if not hasattr(x, "indptr"):
        return np.asarray(x)
    out = np.zeros((len(x.indptr) - 1, 5))
    for i in range(len(out)):
        at = slice(x.indptr[i], x.indptr[i + 1])
        out[i, x.indices[at]] = x.data[at]
    return out


def taken(train, rows):
    return np.append(dense(train.x)[rows], train.y[rows], axis=1)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.integers(1, 9), st.integers(0, 400))
def test_as_many_streams_are_kept_as_there_is_room_for(lengths, block, hold):
    slots = 2 * WINDOW * block
    need = [sum(lengths[:k]) + slots * (len(lengths) - k) for k in range(len(lengths) + 1)]
    assert kept(np.array(lengths), block, hold) == max(k for k, n in enumerate(need) if k == 0 or n <= hold)


def test_a_bad_value_is_named_where_it_is_met(tmp_path):
    x = np.ones((300, 2), np.float32)
    x[123, 1] = np.nan
    h5.write_atomic(tmp_path / "a.h5", {"x": x, "y": np.arange(300) % 2}, {"format": "hpcfl"})
    data = Data(train=str(tmp_path / "a.h5"), test="none", order="blocks", streams=4, memory_limit=1e-6)
    shards = shard.load(data, 0, "float32", world(), lambda n: plan.streamed(n, 40, 4, 1, None))
    order = Stream(shards.plan, shards.train, 40, 10, 0, 0)
    order.begin(0)
    errors = [order.batch(step).error for step in range(order.steps)]
    order.close()
    at = next(i for i, error in enumerate(errors) if error)
    assert all(isinstance(error, DataError) and "row 123, column 1" in str(error) for error in errors[at:])
    with pytest.raises(DataError, match="row 123, column 1"):
        Stream(shards.plan, shards.train, 40, 10, 0, 0, 10**6)
    dropping = Data(train=data.train, test="none", order="blocks", memory_limit=1e-6, missing="drop")
    assert shard.load(dropping, 0, "float32", world(), lambda n: plan.streamed(n, 40, 4, 1, None)).total == 299
