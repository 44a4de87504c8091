"""CSV and svmlight: what is read is what was written, and what cannot be is named."""

import argparse
import csv
import gzip
import json
import subprocess
import sys

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.datasets import dump_svmlight_file

from hpcfl.cli import convert as command
from hpcfl.data import h5
from hpcfl.data.convert import Options, _text, convert
from hpcfl.data.table import open_table
from hpcfl.errors import DataError, UsageError

few = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
words = st.text("abcxyzéß-_ ,;\"'\n\t", min_size=1, max_size=6).filter(lambda t: t == t.strip() and t != "-")


def made(tmp_path, text, name="a.csv", **options):
    source, out = tmp_path / name, tmp_path / "out.h5"
    source.write_bytes(text if isinstance(text, bytes) else text.encode())
    convert(source, out, Options(**options), overwrite=True)
    arrays, attrs = h5.read(out)
    return arrays, {k: json.loads(v) if isinstance(v, str) and v[:1] in "[{" else v for k, v in attrs.items()}


@few
@given(data=st.data())
def test_any_finite_numbers_come_back_exactly(tmp_path, data):
    n, d = data.draw(st.integers(2, 6)), data.draw(st.integers(1, 4))
    numbers = st.one_of(st.floats(allow_nan=False), st.integers(-(2**53), 2**53))
    x = [[data.draw(numbers) for _ in range(d)] for _ in range(n)]
    text = "\n".join("\t".join(map(repr, row)) for row in x)
    arrays, _ = made(tmp_path, text, label="none")
    assert arrays["x"].shape == (n, d)
    assert np.array_equal(arrays["x"].astype(np.float64), np.array(x, np.float64))


@few
@given(rows=st.lists(st.tuples(words, st.integers(0, 300), words), min_size=2, max_size=8))
def test_any_texts_come_back_from_their_categories(tmp_path, rows):
    path = tmp_path / "t.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["colour", "size", "kind"])
        writer.writerows(rows)
    arrays, attrs = made(tmp_path, path.read_bytes(), label="kind")
    colours = attrs["categories"]["colour"]
    assert colours == sorted({r[0] for r in rows})
    assert attrs["feature_names"] == [f"colour={c}" for c in colours] + ["size"]
    hot = arrays["x"][:, :-1]
    assert [colours[i] for i in hot.argmax(1)] == [r[0] for r in rows]
    assert (hot.sum(1) == 1).all()
    assert arrays["x"][:, -1].tolist() == [r[1] for r in rows]
    assert [attrs["classes"][i] for i in arrays["y"]] == [r[2] for r in rows]


@pytest.mark.parametrize(
    ("text", "rows", "names"),
    [
        ("1,2,0\n3,4,1\n", 2, ["column0", "column1"]),
        ("a,b,label\n3,4,1\n", 1, ["a", "b"]),
        ("label;a;b\n0;1;2\n1;3;4\n", 2, ["a", "b"]),
        ("a b y\n1 2 0\n3  4 1\n", 2, ["a", "b"]),
        ("\ufeffa|b|c\n1|2|0\n", 1, ["a", "b"]),
        ('"a, or b",c,d\n\n1,2,0\n\n3,4,1', 2, ["a, or b", "c"]),
        ("p,x,p\nq,x,q\n", 2, ["column0=p", "column0=q", "column1=x"]),
    ],
)
def test_header_and_delimiter_are_found_by_content(tmp_path, text, rows, names):
    arrays, attrs = made(tmp_path, text)
    assert len(arrays["x"]) == len(arrays["y"]) == rows
    assert attrs["feature_names"] == names


@pytest.mark.parametrize(
    ("labels", "options", "task", "classes", "y"),
    [
        (["10", "9", "10"], {}, "classification", ["9", "10"], [1, 0, 1]),
        (["b", "a", "b"], {}, "classification", ["a", "b"], [1, 0, 1]),
        (["1.0", "-1", "1"], {}, "classification", ["-1", "1"], [1, 0, 1]),
        (["0.5", "1", "2"], {}, "regression", None, [0.5, 1, 2]),
        (["3", "1", "2"], {"task": "regression"}, "regression", None, [3, 1, 2]),
        (["0.5", "10", "2"], {"task": "classification"}, "classification", ["0.5", "2", "10"], [0, 2, 1]),
    ],
)
def test_labels(tmp_path, labels, options, task, classes, y):
    arrays, attrs = made(tmp_path, "".join(f"{i},{v}\n" for i, v in enumerate(labels)), **options)
    assert (attrs["task"], attrs.get("classes")) == (task, classes)
    assert arrays["y"].tolist() == y
    assert arrays["y"].dtype == (np.int64 if classes else np.float64)


@pytest.mark.parametrize(("label", "left"), [("a", "bc"), ("1", "ac"), ("-1", "ab"), ("none", "abc")])
def test_label_by_name_or_position(tmp_path, label, left):
    arrays, attrs = made(tmp_path, "a,b,c\n1,2,3\n4,5,6\n", label=label)
    assert attrs["feature_names"] == list(left)
    assert ("y" in arrays) == (label != "none")


@pytest.mark.parametrize(
    ("values", "dtype"), [("0 255", "uint8"), ("0 256", "float32"), ("0.5 -1", "float32"), ("0.1 2", "float64")]
)
def test_dtype_is_the_smallest_exact_one(tmp_path, values, dtype):
    assert made(tmp_path, values.replace(" ", "\n"), label="none")[0]["x"].dtype == dtype
    assert made(tmp_path, values.replace(" ", "\n"), label="none", dtype="float16")[0]["x"].dtype == "float16"


def test_missing_values_are_named_or_kept(tmp_path):
    text = "age,city,label\n1,ulm,0\nNA,,1\n3,bonn,nope\n"
    with pytest.raises(DataError, match=r"a\.csv, line 3, column 'age': missing value \(and 1 more\)"):
        made(tmp_path, text)
    assert not (tmp_path / "out.h5").exists()
    arrays, attrs = made(tmp_path, text, missing="nan")
    np.testing.assert_array_equal(arrays["x"], [[1, 0, 1], [np.nan, np.nan, np.nan], [3, 1, 0]])
    assert attrs["categories"] == {"city": ["bonn", "ulm"]}


@pytest.mark.parametrize(
    ("text", "options", "what"),
    [
        ("1,2\n3,4,5\n", {}, r"line 2: 3 fields where the first row has 2"),
        ("1,2\n3,\n", {}, r"line 2, column 'column1': the label is missing"),
        ("a,b\n1,2\n2,3\nx,4\n", {}, r"line 4, column 'a': 'x' in a column of both"),
        ("1,2\n2,x\n", {"task": "regression"}, r"line 2, column 'column1': 'x' is not a number"),
        ("1,2.5\n2,-inf\n", {}, r"line 2, column 'column1': '-inf' is not finite; regression needs finite numbers"),
        ("1,2\n300,3\n", {"dtype": "uint8"}, r"line 2, column 'column0': 300.0 does not fit uint8"),
        ("1,2\n1e39,3\n", {"dtype": "float32"}, r"line 2, column 'column0': 1e\+39 does not fit float32"),
        ("", {}, r"no rows"),
        ("a,b\n", {}, r"a header and no rows"),
        ('1,2\n"3,4\n' + "5,6\n" * 40_000, {}, r"line \d+: field larger than"),
        (b"1,2\n\xff\xfe,3\n", {}, r"no UTF-8 text"),
    ],
)
def test_bad_text_is_refused_with_its_line(tmp_path, text, options, what):
    with pytest.raises(DataError, match=what):
        made(tmp_path, text, **options)
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_an_existing_file_stays_unless_told(tmp_path):
    (tmp_path / "a.csv").write_text("1,2\n3,4\n")
    (tmp_path / "a.h5").write_text("mine")
    with pytest.raises(UsageError, match="--overwrite"):
        convert(tmp_path / "a.csv", tmp_path / "a.h5", Options())
    assert (tmp_path / "a.h5").read_text() == "mine"
    with pytest.raises(UsageError, match=r"--label z.*a\.csv has 2 columns: column0, column1"):
        convert(tmp_path / "a.csv", tmp_path / "b.h5", Options(label="z"))
    with pytest.raises(DataError, match="no such file"):
        convert(tmp_path / "b.csv", tmp_path / "b.h5", Options())
    with pytest.raises(UsageError, match="is the source itself"):
        convert(tmp_path / "a.csv", tmp_path / ".." / tmp_path.name / "a.csv", Options(), overwrite=True)
    assert (tmp_path / "a.csv").read_text() == "1,2\n3,4\n"
    convert(tmp_path / "a.csv", tmp_path / "c.h5", Options())
    with pytest.raises(UsageError, match="is an HDF5 file already"):
        convert(tmp_path / "c.h5", tmp_path / "d.h5", Options())


@pytest.mark.parametrize("base", [0, 1])
def test_svmlight_equals_scikit_learn(tmp_path, base):
    rng = np.random.default_rng(base)
    x = rng.standard_normal((300, 11)) * (rng.random((300, 11)) < 0.3)
    x[:, [0, 10]] = 1.5
    y = rng.choice([-1, 2, 10], 300)
    dump_svmlight_file(x, y, str(tmp_path / "d.txt"), zero_based=base == 0, comment="made")
    arrays, attrs = made(tmp_path, gzip.compress((tmp_path / "d.txt").read_bytes()), "s.svm.gz")
    assert attrs["classes"] == ["-1", "2", "10"]
    assert np.array_equal(np.array([-1, 2, 10])[arrays["y"]], y)
    table = open_table(str(tmp_path / "out.h5"))
    assert (table.kind, table.rows, table.features) == ("csr", 300, 11)
    data, indices, indptr = table.read(0, 300)
    dense = np.zeros((300, 11))
    dense[np.repeat(np.arange(300), np.diff(indptr)), indices] = data
    np.testing.assert_allclose(dense, x, rtol=1e-15)


@few
@given(
    rows=st.lists(
        st.tuples(st.integers(-3, 3), st.dictionaries(st.integers(1, 40), st.floats(allow_nan=False), max_size=5)),
        min_size=1,
        max_size=8,
    )
)
def test_any_sparse_rows_come_back_exactly(tmp_path, rows):
    rows = [*rows, (0, {1: 0.1})]
    text = "\n".join(f"{y} " + " ".join(f"{j}:{v!r}" for j, v in sorted(x.items())) for y, x in rows)
    arrays, attrs = made(tmp_path, text, "s.svm", task="regression")
    cut = arrays["x/indptr"]
    assert attrs["features"] == max(j for _, x in rows for j in x)
    for i, (y, x) in enumerate(rows):
        there = slice(cut[i], cut[i + 1])
        assert arrays["x/indices"][there].tolist() == [j - 1 for j in sorted(x)]
        assert arrays["x/data"][there].tolist() == [x[j] for j in sorted(x)]
        assert arrays["y"][i] == y


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("1 1:2\n" * 30 + "1 3:1 2:1\n", "line 31: indices must rise"),
        ("1 1:2\n" * 30 + "1 3:x\n", "line 31: could not convert"),
        ("1 1:2\n1 3:nan\n", "line 2, feature 3: missing value"),
        ("1 1:2\n" * 30 + "1 3000000000:1\n", "line 31: index 3000000000"),
    ],
)
def test_bad_svmlight_is_refused_with_its_line(tmp_path, text, what):
    with pytest.raises(DataError, match=what):
        made(tmp_path, text, "s.svm")


GROWTH = """
import sys
from hpcfl.data.convert import Options, convert
peak = lambda: int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) << 10
convert(sys.argv[1], sys.argv[3], Options())
before = peak()
convert(sys.argv[2], sys.argv[3], Options(), overwrite=True)
print(before, peak())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("kind", ["csv", "svm"])
def test_memory_is_bounded_whatever_the_size_of_the_file(tmp_path, kind):
    values = [f"{j / 128:.5f}" for j in range(1, 100)]
    row = (
        ",".join(values) + ",a\n"
        if kind == "csv"
        else "1 " + " ".join(f"{j + 1}:{v}" for j, v in enumerate(values)) + "\n"
    )
    small, large = tmp_path / f"small.{kind}", tmp_path / f"large.{kind}"
    small.write_text(row * 20)
    large.write_text(row * 10_000)
    args = [sys.executable, "-c", GROWTH, str(small), str(large), str(tmp_path / "out.h5")]
    before, after = map(int, subprocess.run(args, capture_output=True, text=True, check=True).stdout.split())
    assert after - before < 32 << 20
    assert h5.read(tmp_path / "out.h5")[0]["y"].shape == (10_000,)


def test_blocks_of_long_texts_stay_small(tmp_path, monkeypatch):
    monkeypatch.setattr(_text, "SIZE", 50)
    (tmp_path / "a.csv").write_text("word,label\n" + "abcdefghij,1\n" * 40)
    sizes = [len(rows) for _, rows in _text.open_text(tmp_path / "a.csv").blocks(1000)]
    assert sizes == [5] * 8


def test_many_columns_and_their_names(tmp_path):
    names = [f"a column with a long name {j}" for j in range(70_000)]
    arrays, attrs = made(
        tmp_path, ",".join(names) + "\n" + ("1," * 70_000)[:-1] + "\n" + ("2," * 70_000)[:-1], label="none"
    )
    assert attrs["feature_names"] == names
    assert arrays["x"].shape == (2, 70_000)


def test_command(tmp_path, capsys):
    (tmp_path / "a.tsv").write_text("colour\tsize\tkind\nred\t1\tx\nblue\tNA\ty\n")
    parser = argparse.ArgumentParser()
    command.configure(parser)
    words = [
        str(tmp_path / "a.tsv"),
        str(tmp_path / "a.h5"),
        "--label",
        "kind",
        "--missing",
        "nan",
        "--dtype",
        "float64",
    ]
    assert command.run(parser.parse_args(words)) == 0
    out = capsys.readouterr().out
    assert "classification with 2 classes; x (2, 3) float64, y (2,) int64" in out
    assert "label: column 'kind' (position 2)" in out
    assert "missing values stored as NaN: 1" in out


def test_options_that_do_not_fit_are_refused(tmp_path):
    (tmp_path / "s.svm").write_text("1 1:2\n")
    np.save(tmp_path / "a.npy", np.ones((2, 3)))
    for name, options, what in [
        ("s.svm", {"label": "y"}, "--label y"),
        ("s.svm", {"dtype": "uint8"}, "--dtype uint8"),
        ("a.npy", {"label": "7"}, r"shape \(2, 3\)"),
        ("a.npy", {"task": "ratings"}, "no UTF-8 text"),
    ]:
        with pytest.raises((UsageError, DataError), match=what):
            convert(tmp_path / name, tmp_path / "out.h5", Options(**options))


def test_chunks_are_runs_of_rows_of_a_mebibyte(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((5000, 100), np.float64))
    convert(tmp_path / "x.npy", tmp_path / "x.h5", Options())
    with h5py.File(tmp_path / "x.h5") as file:
        assert file["x"].chunks == (1310, 100)
