"""A rank fails together with the others: one line of ours, the right exit code, nobody hangs."""

import re
import time

import h5py
import numpy as np
import pytest

from tests.trainers import data

BASE = """
seed = 1
output = {output!r}
[data]
train = {train!r}
[model]
name = "softmax"
[train]
epochs = 2
batch_size = 64
"""


@pytest.fixture
def start(mpirun, tmp_path):
    """Return a function that trains a job on 3 ranks and returns (exit code, our lines, seconds)."""

    def run(train="sample:digits", *args, n=3, body=BASE):
        file = tmp_path / "job.toml"
        file.write_text(body.format(output=str(tmp_path / "run"), train=str(train)))
        began = time.monotonic()
        done = mpirun(n, ["-m", "hpcfl", "train", str(file), *args], check=False, timeout=90)
        lines = ours(done.stderr)
        return done.returncode, lines, time.monotonic() - began

    return run


def ours(stderr):
    """Return our messages; a launcher may put one behind what rank 0 has drawn of its progress bar."""
    return re.findall(r"hpcfl: .*", stderr)


def expect(result, code, *says):
    got, lines, _ = result
    assert got == code, lines
    assert len(lines) == 1, lines
    for text in says:
        assert text in lines[0]


def rows(n=200, d=5):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, d)), rng.integers(0, 3, n)


def test_missing_file(start, tmp_path):
    expect(start(tmp_path / "none.h5"), 3, "none.h5", "no such file", "hpcfl convert")


def test_truncated_file(start, tmp_path):
    file = data.write(tmp_path / "cut.h5", *rows())
    file.write_bytes(file.read_bytes()[:5000])
    expect(start(file), 3, "cut.h5", "truncated", "copy or convert it again")


def test_no_hdf5_file(start, tmp_path):
    (tmp_path / "text.h5").write_text("x,y\n1,2\n")
    expect(start(tmp_path / "text.h5"), 3, "is not a readable HDF5 file")


def test_wrong_dataset_name(start, tmp_path):
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file["images"], file["labels"] = rows()
    expect(start(tmp_path / "own.h5"), 3, "no dataset 'x'", "images", "[data]")
    expect(start(tmp_path / "own.h5", "--set", "data.x=image"), 3, "no dataset 'image'; did you mean 'images'")


def test_own_names_train_without_conversion(start, tmp_path):
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file["images"], file["labels"] = rows()
    code, lines, _ = start(tmp_path / "own.h5", "--set", "data.x=images", "--set", "data.y=labels")
    assert (code, lines) == (0, [])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_value_that_is_not_finite(start, tmp_path, bad):
    x, y = rows()
    x[150, 2] = bad
    file = data.write(tmp_path / "bad.h5", x, y)
    expect(start(file), 3, "bad.h5: row 150, column 2", 'data.missing = "drop"')
    code, lines, _ = start(file, "--set", "data.missing=drop")
    assert (code, lines) == (0, [])


def test_labels_out_of_range(start, tmp_path):
    x, y = rows()
    y[7] = -1
    expect(start(data.write(tmp_path / "neg.h5", x, y)), 3, "row 7: 'y' is -1")
    file = data.write(tmp_path / "big.h5", x, np.where(y < 0, 5, y))
    with h5py.File(file, "a") as f:
        f.attrs["classes"] = '["a", "b", "c"]'
    expect(start(file), 3, "row 7: 'y' is 5; labels run over 0 to 2")


def test_no_rows(start, tmp_path):
    expect(start(data.write(tmp_path / "empty.h5", np.empty((0, 4)), np.empty(0, int))), 3, "no rows")


def test_more_ranks_than_rows_of_a_step(start):
    expect(
        start("sample:iris", "--set", "train.batch_size=2"), 2, "3 ranks", "train.batch_size to 3", "at most 2 ranks"
    )


def test_more_ranks_than_rows(start, tmp_path):
    x, y = rows(2)
    expect(start(data.write(tmp_path / "two.h5", x, y), "--set", "data.test=none"), 2, "3 ranks", "at most 2 ranks")


def test_mistyped_key(start):
    expect(start("sample:iris", "--set", "train.epoch=3"), 2, "unknown key train.epoch; did you mean 'epochs'")


def test_directory_of_another_run(start):
    assert start("sample:iris")[0] == 0
    expect(start("sample:iris"), 2, "--overwrite", "--resume")
    assert start("sample:iris", "--overwrite")[0] == 0


def test_an_output_that_cannot_be_written_is_refused_at_the_start(start):
    expect(start("sample:iris", "--set", "output=/proc/hpcfl"), 2, "'/proc/hpcfl' cannot be written", "set another one")


def test_divergence_names_step_and_rate(start):
    result = start(
        "sample:digits", "--set", "optimizer.learning_rate=1e30", "--set", "model.name=mlp", "--set", "train.epochs=5"
    )
    expect(result, 4, "at step", "learning rate 1e+30", "lower optimizer.learning_rate")


def test_model_that_does_not_fit_the_data(start):
    expect(start("sample:iris", "--set", "model.name=logistic"), 2, "the data has 3", "softmax")
    expect(start("sample:iris", "--set", "model.name=linear"), 2, "is for regression")


def test_missing_job_file(mpirun, tmp_path):
    done = mpirun(2, ["-m", "hpcfl", "train", str(tmp_path / "no.toml")], check=False)
    assert done.returncode == 2
    assert done.stderr.count("hpcfl: ") == 1


STAGES = {
    "job file": "hpcfl.config:load",
    "open": "hpcfl.data.shard:open_table",
    "scan": "hpcfl.data.checks:labels",
    "read": "hpcfl.data.table:Table.read",
    "split": "hpcfl.data.scan:thresholds",
    "bind": "hpcfl.trainers.objective:Layout.penalized",
    "compile": "hpcfl.trainers.stepper:Stepper.warm",
    "gradient": "hpcfl.trainers.gradients:Local.write",
    "optimizer": "hpcfl.trainers.stepper:Stepper.epoch_means",
    "evaluate": "hpcfl.models._network:link",
    "log": "hpcfl.trainers.directory:Directory.log",
    "model": "hpcfl.trainers.directory:Directory.model",
}
INJECT = """
import importlib, sys
from mpi4py import MPI
import hpcfl.models._network
def fail(*args, **kwargs):
    raise RuntimeError("injected")
module, _, path = {target!r}.partition(":")
owner = importlib.import_module(module)
*parents, name = path.split(".")
for parent in parents:
    owner = getattr(owner, parent)
if MPI.COMM_WORLD.rank == 1:
    setattr(owner, name, fail)
from hpcfl.cli.main import main
sys.exit(main(["train", {job!r}]))
"""


@pytest.mark.parametrize("stage", STAGES)
def test_an_exception_on_one_rank_ends_all(mpirun, tmp_path, stage):
    file = tmp_path / "job.toml"
    file.write_text(BASE.format(output=str(tmp_path / "run"), train="sample:iris"))
    began = time.monotonic()
    done = mpirun(3, INJECT.format(target=STAGES[stage], job=str(file)), check=False, timeout=60)
    assert done.returncode != 0
    lines = ours(done.stderr)
    assert len(lines) == 1, done.stderr
    assert "injected" in lines[0]
    assert time.monotonic() - began < 40  # start-up and compiling on a busy machine included
