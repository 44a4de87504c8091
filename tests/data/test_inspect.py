"""hpcfl inspect: counts are those of the arrays that were written."""

import argparse
import json
import subprocess
import sys

import numpy as np
import pytest

from hpcfl.cli import inspect
from hpcfl.data import describe as module
from hpcfl.data.convert import Options, convert
from hpcfl.data.describe import describe
from hpcfl.data.h5 import write_atomic
from hpcfl.errors import DataError


def shown(capsys, *words):
    parser = argparse.ArgumentParser()
    inspect.configure(parser)
    assert inspect.run(parser.parse_args([str(w) for w in words])) == 0
    return capsys.readouterr().out


def test_samples(capsys):
    about = json.loads(shown(capsys, "--json", "sample:digits"))
    assert (about["rows"], about["features"], about["dtype"], about["kind"]) == (1797, 64, "uint8", "dense")
    assert list(about["classes"].values()) == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    both = json.loads(shown(capsys, "--json", "sample:digits", "sample:iris"))
    assert [len(v["classes"]) for v in both.values()] == [10, 3]
    assert "setosa: 50" in shown(capsys, "sample:iris")


def test_missing_values_by_column(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "BLOCK", 512)
    x = np.ones((200, 30), np.float32)
    for j in range(15):
        x[: 20 - j, j] = np.nan
    x[7:9, 29] = np.inf
    y = np.arange(200.0)
    write_atomic(
        tmp_path / "a.h5", {"x": x, "y": y}, {"task": "regression", "feature_names": [f"f{j}" for j in range(30)]}
    )
    about = describe(str(tmp_path / "a.h5"))
    assert about["missing"]["nan"] == int(np.isnan(x).sum())
    assert about["missing"]["inf"] == 2
    assert about["missing"]["columns_affected"] == 16
    assert about["missing"]["columns"] == {f"f{j}": {"nan": 20 - j, "inf": 0} for j in range(10)}
    assert about["target"] == {"min": 0.0, "max": 199.0, "mean": 99.5}
    assert "column f0: 20 NaN" in shown(capsys, tmp_path / "a.h5")


def test_sparse_and_ratings(tmp_path):
    (tmp_path / "s.svm").write_text("1 1:2 4:nan\n-1 2:inf\n1\n")
    convert(tmp_path / "s.svm", tmp_path / "s.h5", Options(missing="nan"))
    about = describe(str(tmp_path / "s.h5"))
    assert (about["kind"], about["stored"], about["density"]) == ("csr", 3, 0.25)
    assert about["missing"]["columns"] == {"1": {"nan": 0, "inf": 1}, "3": {"nan": 1, "inf": 0}}
    assert about["classes"] == {"-1": 1, "1": 2}
    (tmp_path / "u.data").write_text("1\t10\t3\n2\t10\t5\n2\t20\t1\n")
    convert(tmp_path / "u.data", tmp_path / "u.h5", Options(task="ratings"))
    about = describe(str(tmp_path / "u.h5"))
    assert (about["users"], about["items"], about["ratings"], about["density"]) == (2, 2, 3, 0.75)
    assert about["rating"] == {"min": 1.0, "max": 5.0, "mean": 3.0}
    assert about["datasets"]["user_id"]["chunks"] == [2]


def test_labels_out_of_range_and_plain_files(tmp_path, capsys):
    attrs = {"task": "classification", "classes": ["a", "b"]}
    write_atomic(tmp_path / "a.h5", {"x": np.ones((4, 2)), "y": np.array([0, 1, 5, 1])}, attrs)
    about = describe(str(tmp_path / "a.h5"))
    assert about["classes"] == {"a": 1, "b": 2}
    assert about["labels_out_of_range"] == 1
    write_atomic(tmp_path / "b.h5", {"images": np.ones((4, 2))}, {})
    assert "dataset images: 4x2 float64, chunks none, compression none" in shown(capsys, tmp_path / "b.h5")


def test_bad_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        describe(str(tmp_path / "a.h5"))
    (tmp_path / "a.h5").write_text("text")
    with pytest.raises(DataError, match="not a readable HDF5 file"):
        describe(str(tmp_path / "a.h5"))
    write_atomic(tmp_path / "b.h5", {"x": np.ones((400, 20)), "y": np.ones(400)}, {})
    whole = (tmp_path / "b.h5").read_bytes()
    (tmp_path / "b.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="truncated"):
        describe(str(tmp_path / "b.h5"))


def test_a_reader_that_has_enough_is_no_error():
    command = [sys.executable, "-m", "hpcfl.cli.main", "inspect", "sample:iris"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
