"""NumPy, IDX and LEAF: arrays come back as they were; damaged files are refused."""

import gzip
import json
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hpcfl.data import h5
from hpcfl.data.convert import Options, convert
from hpcfl.data.table import open_table
from hpcfl.errors import DataError

few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
stored = st.sampled_from([np.uint8, np.float16, np.float32, np.float64])


def made(source, **options):
    out = source.parent / "out.h5"
    convert(source, out, Options(**options), overwrite=True)
    arrays, attrs = h5.read(out)
    return arrays, {k: json.loads(v) if isinstance(v, str) and v[:1] in "[{" else v for k, v in attrs.items()}


@few
@given(
    x=stored.flatmap(lambda t: hnp.arrays(t, st.tuples(st.integers(1, 9), st.integers(1, 5)))), fortran=st.booleans()
)
def test_any_npz_comes_back_exactly(tmp_path, x, fortran):
    y = np.arange(len(x)) % 3 - 1
    np.savez_compressed(tmp_path / "a.npz", X=np.asfortranarray(x) if fortran else x, y=y)
    arrays, attrs = made(tmp_path / "a.npz", missing="nan")
    assert arrays["x"].dtype == x.dtype
    np.testing.assert_array_equal(arrays["x"], x)
    assert [int(attrs["classes"][i]) for i in arrays["y"]] == y.tolist()


@few
@given(x=hnp.arrays(np.int64, (7, 3), elements=st.integers(-(2**53), 2**53)))
def test_whole_numbers_take_a_dtype_that_holds_them(tmp_path, x):
    np.save(tmp_path / "a.npy", x)
    assert np.array_equal(made(tmp_path / "a.npy")[0]["x"].astype(np.int64), x)


def test_whole_numbers_that_no_dtype_holds_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.full((2, 2), 2**53 + 1))
    with pytest.raises(DataError, match="fit no dtype exactly"):
        made(tmp_path / "a.npy")


@pytest.mark.parametrize("names", [("x", "y"), ("X", "y"), ("data", "target"), ("data", "labels")])
def test_names_of_arrays(tmp_path, names):
    np.savez(tmp_path / "a.npz", **{names[0]: np.ones((3, 2, 2), ">f4"), names[1]: np.array(["b", "a", "b"])})
    arrays, attrs = made(tmp_path / "a.npz")
    assert (arrays["x"].shape, attrs["shape"], attrs["classes"]) == ((3, 4), [2, 2], ["a", "b"])
    assert arrays["x"].dtype == np.float32
    assert open_table(str(tmp_path / "out.h5")).read(1, 3).tolist() == [[1.0] * 4] * 2


@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_with_a_label_column(tmp_path, order):
    np.save(tmp_path / "a.npy", np.array([[1.5, 7, 2], [3, 8, 4]], order=order))
    arrays, attrs = made(tmp_path / "a.npy", label="1")
    assert arrays["x"].tolist() == [[1.5, 2], [3, 4]]
    assert attrs["classes"] == ["7", "8"]
    assert "y" not in made(tmp_path / "a.npy")[0]


def test_bad_arrays_are_refused(tmp_path):
    x = np.ones((4, 3))
    x[2, 1] = np.nan
    np.savez(tmp_path / "nan.npz", x=x, y=np.zeros(4))
    np.savez(tmp_path / "names.npz", a=x)
    np.savez(tmp_path / "rows.npz", x=x, y=np.zeros(3))
    np.save(tmp_path / "object.npy", np.array([[{}]], object))
    np.save(tmp_path / "cut.npy", x)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "cut.npy").read_bytes()[:-30])
    (tmp_path / "none.npz").write_text("none")
    for name, what in [
        ("nan.npz", "row 2, column 1: missing value"),
        ("names.npz", "has no x or X or data, but a"),
        ("rows.npz", r"\(3,\) for 4 rows"),
        ("object.npy", "plain numbers in rows"),
        ("cut.npy", "ends in row 2 of 4"),
        ("none.npz", "no NumPy archive"),
    ]:
        with pytest.raises(DataError, match=what):
            made(tmp_path / name)


def test_an_array_larger_than_the_bound(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((5000, 2000), np.float32), y=np.arange(5000) % 2)
    tracemalloc.start()
    made_attrs = convert(tmp_path / "a.npz", tmp_path / "out.h5", Options()).attrs
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert made_attrs["features"] == 2000
    assert peak < 16 << 20 < 5000 * 2000 * 4


def idx(path, array, code):
    data = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        ("t10k-images.idx3-ubyte.gz", "t10k-labels.idx1-ubyte"),
        ("a-images.gz", "a-labels.gz"),
    ],
)
def test_idx_with_labels_found_by_name(tmp_path, images, labels):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (3000, 28, 28), np.uint8), rng.integers(0, 10, 3000).astype(np.uint8)
    idx(tmp_path / images, x, 8)
    with pytest.raises(DataError, match="no labels file"):
        made(tmp_path / images)
    idx(tmp_path / labels, y, 8)
    arrays, attrs = made(tmp_path / images)
    assert np.array_equal(arrays["x"].reshape(x.shape), x)
    assert np.array_equal(arrays["y"], y)
    assert (attrs["task"], attrs["shape"], len(attrs["classes"])) == ("classification", [28, 28], 10)
    assert "y" not in made(tmp_path / images, label="none")[0]


@pytest.mark.parametrize(("dtype", "code"), [(">i1", 9), (">i2", 11), (">i4", 12), (">f4", 13), (">f8", 14)])
def test_idx_types(tmp_path, dtype, code):
    x = np.array([[1, -2, 100], [3, 0, 5]]).astype(dtype)
    idx(tmp_path / "a", x, code)
    assert np.array_equal(made(tmp_path / "a", label="none")[0]["x"], x)


def test_damaged_idx_is_refused(tmp_path):
    x = np.zeros((10, 4, 4), np.uint8)
    idx(tmp_path / "a-images", x, 8)
    (tmp_path / "a-images").write_bytes((tmp_path / "a-images").read_bytes()[:-20])
    with pytest.raises(DataError, match="ends in row 8 of 10"):
        made(tmp_path / "a-images", label="none")
    idx(tmp_path / "b-images.gz", np.random.default_rng(0).integers(0, 99, (10, 40, 40), np.uint8), 8)
    (tmp_path / "b-images.gz").write_bytes((tmp_path / "b-images.gz").read_bytes()[:-4000])
    with pytest.raises(DataError, match="is damaged"):
        made(tmp_path / "b-images.gz", label="none")
    idx(tmp_path / "b-labels", np.zeros(9, np.uint8), 8)
    with pytest.raises(DataError, match="one label per row"):
        made(tmp_path / "b-images.gz")


def leaf(path, users):
    data = {u: {"x": x, "y": y} for u, (x, y) in users.items()}
    path.write_text(
        json.dumps({"users": list(users), "num_samples": [len(y) for _, y in users.values()], "user_data": data})
    )


def test_leaf_folder(tmp_path):
    folder = tmp_path / "train"
    folder.mkdir()
    leaf(folder / "0.json", {"ann": ([[0.1, 2], [3, 4]], [5, 7]), "bob": ([[5, 6]], [7])})
    leaf(folder / "1.json", {"none": ([], []), "cy": ([[7, 8]], [5]), "ann": ([[9, 10]], [5])})
    arrays, attrs = made(folder)
    assert arrays["x"].tolist() == [[0.1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]
    assert arrays["client"].tolist() == [0, 0, 1, 2, 0]
    assert [v.decode() for v in arrays["client_id"]] == ["ann", "bob", "cy"]
    assert (attrs["classes"], arrays["y"].tolist()) == (["5", "7"], [0, 1, 1, 0, 0])
    assert made(folder / "0.json")[0]["x"].shape == (3, 2)
    assert open_table(str(tmp_path / "out.h5")).has("client")


def test_leaf_train_and_test_with_users_spread_over_files(tmp_path):
    rng, want = np.random.default_rng(0), {}
    for part in ("train", "test"):
        (tmp_path / "leaf" / part).mkdir(parents=True)
        for number in range(3):
            users = {}
            for user in [f"f_{i:05d}" for i in rng.permutation(7)[:4]]:
                n = int(rng.integers(0, 4))
                users[user] = (rng.random((n, 2)).tolist(), rng.integers(0, 3, n).tolist())
                for x, y in zip(*users[user], strict=True):
                    want[tuple(x)] = (user, y, part == "test")
            leaf(tmp_path / "leaf" / part / f"all_data_{number}.json", users)
    arrays, attrs = made(tmp_path / "leaf")
    names = [v.decode() for v in arrays["client_id"]]
    assert names == sorted({user for user, *_ in want.values()})
    found = {
        tuple(x): (names[c], int(attrs["classes"][y]), bool(t))
        for x, y, c, t in zip(*(arrays[k].tolist() for k in ("x", "y", "client", "test")), strict=True)
    }
    assert found == want
    assert len(arrays["y"]) == len(want)


def test_bad_leaf_is_refused(tmp_path):
    (tmp_path / "a.json").write_text('{"users": ["u"],\n "user_data": ')
    (tmp_path / "b.json").write_text("[]")
    leaf(tmp_path / "c.json", {"u": (["abc"], [1])})
    leaf(tmp_path / "d.json", {"u": ([[1, 2], [3]], [1, 2])})
    leaf(tmp_path / "e.json", {"u": ([[1, 2]], [1]), "v": ([[1, 2, 3]], [1])})
    for name, what in [
        ("a", "line 2: no JSON"),
        ("b", "no LEAF file"),
        ("c", "'u'"),
        ("d", "'u'"),
        ("e", "row 1: shape"),
    ]:
        with pytest.raises(DataError, match=what):
            made(tmp_path / f"{name}.json")
