"""Rows read from where they lie in a file are those that HDF5 reads; where they lie otherwise HDF5 is asked."""

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpcfl.data.lazy import Lazy, Runs
from hpcfl.data.plain import Plain, lies_plainly
from hpcfl.data.table import open_table
from hpcfl.errors import DataError

SHAPE = 23, 5
KINDS = {
    "contiguous": (True, {}),
    "chunks": (True, {"chunks": (4, 5)}),
    "one chunk": (True, {"chunks": (23, 5)}),
    "half rows": (False, {"chunks": (4, 3)}),
    "packed": (False, {"chunks": (4, 5), "compression": "gzip"}),
    "summed": (False, {"chunks": (4, 5), "fletcher32": True}),
}


@pytest.mark.parametrize("dtype", ["u1", "<f4", ">f4", "<f8", "<i2"])
@pytest.mark.parametrize("kind", KINDS)
def test_equals_what_hdf5_reads(tmp_path, kind, dtype):
    plain, keys = KINDS[kind]
    x = np.random.default_rng(0).integers(0, 99, SHAPE).astype(dtype)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=x, **keys)
    with h5py.File(tmp_path / "a.h5") as file:
        assert lies_plainly(file["x"], dtype) == (plain and dtype != ">f4")
        assert not lies_plainly(file["x"], "i8")
        reader = (Plain if lies_plainly(file["x"], dtype) else Runs)(file["x"])
        for start, stop in [(0, 23), (3, 4), (2, 19), (22, 23), (8, 12)]:
            out = np.zeros((stop - start, 5), x.dtype)
            reader.read(start, out)
            assert (out == x[start:stop]).all()


def test_chunks_that_were_never_written_hold_the_fill_value(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", SHAPE, "f4", chunks=(4, 5), fillvalue=7)[4:6] = 1
    with h5py.File(tmp_path / "a.h5") as file:
        out = np.zeros(SHAPE, np.float32)
        Plain(file["x"]).read(0, out)
        assert (out == file["x"][()]).all()
        assert out[0, 0] == 7


def test_what_is_elsewhere_or_nowhere_is_not_plain(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.ones(SHAPE)
        layout = h5py.VirtualLayout(SHAPE, float)
        layout[:] = h5py.VirtualSource(file["x"])
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("empty", SHAPE, float)
        file.create_dataset("outside", data=np.ones(SHAPE), external=str(tmp_path / "rows.bin"))
        assert [lies_plainly(file[name], float) for name in ("x", "virtual", "empty", "outside")] == [
            True,
            False,
            False,
            False,
        ]
    with h5py.File(tmp_path / "b.h5", "w", userblock_size=512) as file:
        file["x"] = np.ones(SHAPE)
        assert not lies_plainly(file["x"], float)


def test_a_file_that_became_shorter_is_an_error(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.ones((1000, 50))
    with h5py.File(tmp_path / "a.h5") as file:
        reader = Plain(file["x"])
        with open(tmp_path / "a.h5", "r+b") as cut:
            cut.truncate(100_000)
        with pytest.raises(OSError, match="ends too early"):
            reader.read(900, np.zeros((100, 50)))


@pytest.fixture
def table(tmp_path):
    """Return a table of four files, one of them packed and one without rows, and its rows."""
    x = np.random.default_rng(1).random((90, 5)).astype(np.float32)
    cuts, names = (0, 30, 30, 55, 90), "abcd"
    for name, a, b in zip(names, cuts[:-1], cuts[1:], strict=True):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            keys = {"chunks": (7, 5), "compression": "gzip" if name == "c" else None} if b > a else {}
            file.create_dataset("x", data=x[a:b], **keys)
            file["y"] = np.zeros(b - a)
            file.attrs.update(format="hpcfl", version=1, task="regression")
    return open_table(tuple(str(tmp_path / f"{name}.h5") for name in names)), x


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_runs_of_a_table_of_files(table, data):
    source, x = table
    ids = np.array(sorted(data.draw(st.sets(st.integers(0, 89), min_size=60))))
    lazy, out = Lazy(source, ids, True), np.zeros((70, 5), np.float32)
    cuts = np.array([0, *sorted(data.draw(st.sets(st.integers(1, len(ids) - 1), max_size=8))), len(ids)])
    starts, counts = cuts[:-1], np.minimum(np.diff(cuts), 70 // len(cuts))
    at = np.arange(len(starts)) * (70 // len(cuts))
    lazy.fill_runs(starts, counts, at, out)
    for a, n, to in zip(starts, counts, at, strict=True):
        assert (out[to : to + n] == x[ids[a : a + n]]).all()


def test_a_value_that_is_not_finite_is_named(table):
    source, _ = table
    with h5py.File(source.files[3], "r+") as file:
        file["x"][20, 3] = np.nan
    lazy, out = Lazy(source, np.arange(90), True), np.zeros((90, 5), np.float32)
    with pytest.raises(DataError, match="row 20, column 3"):
        lazy.fill_runs(np.array([0, 60]), np.array([30, 30]), np.array([0, 30]), out)
    Lazy(source, np.arange(90), False).fill_runs(np.array([0]), np.array([90]), np.array([0]), out)
    assert np.isnan(out).sum() == 1
