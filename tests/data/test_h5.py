"""HDF5 files that are written whole or not at all."""

import resource

import numpy as np
import pytest

from hpcfl.data import h5


@pytest.fixture
def small_disk():
    """Let files grow to 1 MB only."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_arrays_and_attributes_come_back(tmp_path):
    arrays = {"a": np.arange(300_000.0), "deep/b": np.empty((0, 3), np.uint8)}
    h5.write_atomic(tmp_path / "x.h5", arrays, {"one": 1, "many": [1, "two"]})
    found, attrs = h5.read(tmp_path / "x.h5")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    assert (attrs["one"], attrs["many"]) == (1, '[1, "two"]')


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, small_disk):
    h5.write_atomic(tmp_path / "x.h5", {"a": np.arange(3)}, {})
    with pytest.raises(OSError, match="too large"):
        h5.write_atomic(tmp_path / "x.h5", {"a": np.zeros(1 << 20)}, {})
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]
    np.testing.assert_array_equal(h5.read(tmp_path / "x.h5")[0]["a"], np.arange(3))
