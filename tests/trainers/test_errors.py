"""A rank fails together with the others: one line of ours, the right exit code, nobody hangs."""

import json
import re
import time

import h5py
import numpy as np
import pytest

import hpcfl
from hpcfl.errors import UsageError
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


# Several runs in one launch: each rank makes them all, and rank 0 tells the codes and lines of every rank.
SESSION = """
import contextlib, importlib, io, json, re
from mpi4py import MPI
import hpcfl.models._network
from hpcfl.cli.main import main
def fail(*args, **kwargs):
    raise RuntimeError("injected")
def broken(target):
    module, _, path = target.partition(":")
    owner = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    real = getattr(owner, name)
    if MPI.COMM_WORLD.rank == 1:
        setattr(owner, name, fail)
    return lambda: setattr(owner, name, real)
out = []
for target, argv in {runs!r}:
    mend = broken(target) if target else lambda: None
    with contextlib.redirect_stderr(io.StringIO()) as said:
        code = main(argv)
    mend()
    out.append(MPI.COMM_WORLD.allgather((code, re.findall("hpcfl: .*", said.getvalue()))))
if MPI.COMM_WORLD.rank == 0:
    print("OUT" + json.dumps(out))
"""


def session(mpirun, runs):
    """Return [(codes of all ranks, their lines)] of 3 ranks that make each of `runs` (what to break or "", argv)."""
    text = mpirun(3, SESSION.format(runs=runs), timeout=200).stdout
    every = json.loads(text[text.index("OUT") + 3 :].splitlines()[0])
    return [([code for code, _ in ranks], [line for _, lines in ranks for line in lines]) for ranks in every]


def train(folder, source, *arguments, body=BASE):
    """Write a job file and return the arguments that train it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job.toml").write_text(body.format(output=str(folder / "run"), train=str(source)))
    return ["train", str(folder / "job.toml"), *arguments]


def sets(*changes):
    return [word for change in changes for word in ("--set", change)]


CASES = {  # name: file, arguments, exit code, what our one line says
    "missing file": ("none.h5", [], 3, ("none.h5", "no such file", "hpcfl convert")),
    "truncated file": ("cut.h5", [], 3, ("cut.h5", "truncated", "copy or convert it again")),
    "no HDF5 file": ("text.h5", [], 3, ("is not a readable HDF5 file",)),
    "no dataset x": ("own.h5", [], 3, ("no dataset 'x'", "images", "[data]")),
    "mistyped dataset": ("own.h5", sets("data.x=image"), 3, ("no dataset 'image'; did you mean 'images'",)),
    "own names train without conversion": ("own.h5", sets("data.x=images", "data.y=labels"), 0, ()),
    "nan": ("nan.h5", [], 3, ("nan.h5: row 150, column 2", 'data.missing = "drop"')),
    "nan dropped": ("nan.h5", sets("data.missing=drop"), 0, ()),
    "inf": ("inf.h5", [], 3, ("inf.h5: row 150, column 2", 'data.missing = "drop"')),
    "inf dropped": ("inf.h5", sets("data.missing=drop"), 0, ()),
    "negative label": ("neg.h5", [], 3, ("row 7: 'y' is -1",)),
    "label out of range": ("big.h5", [], 3, ("row 7: 'y' is 5; labels run over 0 to 2",)),
    "labels are texts": ("texts.h5", [], 3, ("texts.h5: 'y' is |S1, numbers are needed",)),
    "labels in columns": ("hot.h5", [], 3, ("hot.h5: 'y' is (200, 3); a row needs 1",)),
    "labels beyond integers": ("huge.h5", [], 3, ("row 7: 'y' is 9223372036854775813; labels run over 0, 1, ...",)),
    "numbers that are no labels": (
        "ids.h5",
        [],
        3,
        ("ids.h5: labels run to 1000000000", "of 200 rows", "without gaps"),
    ),
    "labels in one column of a matrix": ("column.h5", [], 0, ()),
    "rows that are images": ("images.h5", [], 0, ()),
    "a link that leads nowhere": ("link.h5", [], 3, ("no dataset 'x'; there are: y",)),
    "one class": ("one.h5", [], 3, ("one.h5: all targets are of one class",)),
    "no rows": ("empty.h5", [], 3, ("no rows",)),
    "more ranks than rows of a step": (
        "sample:iris",
        sets("train.batch_size=2"),
        2,
        ("3 ranks", "train.batch_size to 3", "at most 2 ranks"),
    ),
    "more ranks than rows": ("two.h5", sets("data.test=none"), 2, ("3 ranks", "at most 2 ranks")),
    "mistyped key": ("sample:iris", sets("train.epoch=3"), 2, ("unknown key train.epoch; did you mean 'epochs'",)),
    "output that cannot be written": (
        "sample:iris",
        sets("output=/proc/hpcfl"),
        2,
        ("'/proc/hpcfl' cannot be written", "set another one"),
    ),
    "divergence": (
        "sample:digits",
        sets("optimizer.learning_rate=1e30", "model.name=mlp", "train.epochs=5"),
        4,
        ("at step", "learning rate 1e+30", "lower optimizer.learning_rate"),
    ),
    "too many classes": ("sample:iris", sets("model.name=logistic"), 2, ("the data has 3", "softmax")),
    "no regression": ("sample:iris", sets("model.name=linear"), 2, ("is for regression",)),
    "first run": ("sample:iris", [], 0, ()),
    "directory of another run": ("sample:iris", ["first run"], 2, ("--overwrite", "--resume")),
    "overwritten": ("sample:iris", ["first run", "--overwrite"], 0, ()),
}


def rows(n=200, d=5):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, d)), rng.integers(0, 3, n)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return a folder with the files of `CASES`."""
    folder = tmp_path_factory.mktemp("files")
    x, y = rows()
    data.write(folder / "cut.h5", x, y)
    (folder / "cut.h5").write_bytes((folder / "cut.h5").read_bytes()[:5000])
    (folder / "text.h5").write_text("x,y\n1,2\n")
    with h5py.File(folder / "own.h5", "w") as file:
        file["images"], file["labels"] = x, y
    for name in ("nan", "inf"):
        data.write(
            folder / f"{name}.h5", np.where((np.arange(200) == 150)[:, None] & (np.arange(5) == 2), float(name), x), y
        )
    data.write(folder / "neg.h5", x, np.where(np.arange(200) == 7, -1, y))
    data.write(folder / "big.h5", x, np.where(np.arange(200) == 7, 5, y))
    with h5py.File(folder / "big.h5", "a") as file:
        file.attrs["classes"] = '["a", "b", "c"]'
    data.write(folder / "texts.h5", x, np.array([b"a", b"b", b"c"])[y])
    data.write(folder / "hot.h5", x, np.eye(3)[y])
    data.write(folder / "huge.h5", x, np.where(np.arange(200) == 7, np.uint64(2**63 + 5), y.astype(np.uint64)))
    data.write(folder / "ids.h5", x, np.where(np.arange(200) == 7, 1_000_000_000, y))
    data.write(folder / "column.h5", x, y[:, None])
    data.write(folder / "images.h5", x[:, :4].reshape(-1, 2, 2), y)
    data.write(folder / "one.h5", x, 0 * y)
    with h5py.File(folder / "link.h5", "w") as file:
        file["x"], file["y"] = h5py.SoftLink("/nowhere"), y
    data.write(folder / "empty.h5", np.empty((0, 4)), np.empty(0, int))
    data.write(folder / "two.h5", *rows(2))
    return folder


@pytest.fixture(scope="module")
def ended(mpirun, files):
    """Return how each of `CASES` ended: codes and lines of all ranks."""
    runs = []
    for name, (source, arguments, _, _) in CASES.items():
        place, more = (arguments[0], arguments[1:]) if arguments[:1] == ["first run"] else (name, arguments)
        source = source if ":" in source else files / source
        runs.append(("", train(files / place, source, *more)))
    return dict(zip(CASES, session(mpirun, runs), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_all_ranks_end_with_one_line_and_the_code(ended, name):
    codes, lines = ended[name]
    _, _, code, says = CASES[name]
    assert codes == [code] * 3
    assert len(lines) == (1 if code else 0), lines
    for text in says:
        assert text in lines[0]


def ours(stderr):
    """Return our messages; a launcher may put one behind what rank 0 has drawn of its progress bar."""
    return re.findall(r"hpcfl: .*", stderr)


def test_the_launcher_gives_the_code(mpirun, tmp_path):
    began = time.monotonic()
    done = mpirun(3, ["-m", "hpcfl", *train(tmp_path, "none.h5")], check=False)
    assert done.returncode == 3
    assert len(ours(done.stderr)) == 1
    assert time.monotonic() - began < 20  # start-up on a busy machine included


def test_a_mistaken_word_is_one_line(mpirun, tmp_path):
    done = mpirun(3, ["-m", "hpcfl", "train", "--foo"], cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert ours(done.stderr) == ["hpcfl: the following arguments are required: job; see 'hpcfl train --help'"]


def test_two_runs_do_not_share_a_folder(tmp_path):
    job = {"output": str(tmp_path / "run"), "train": {"epochs": 2}, "data": {"train": "sample:iris"}}
    first = hpcfl.rounds(job)
    next(first)
    for more in ({"overwrite": True}, {"resume": "auto"}):
        with pytest.raises(UsageError, match="another run is writing to"):
            next(hpcfl.rounds(job, **more))
    assert len(list(first)) == 1
    assert hpcfl.train(job, overwrite=True)["epoch"] == 2


def test_missing_job_file(mpirun, tmp_path):
    done = mpirun(2, ["-m", "hpcfl", "train", str(tmp_path / "no.toml")], check=False)
    assert done.returncode == 2
    assert len(ours(done.stderr)) == 1


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
SHARED = ("job file", "open", "scan", "read", "compile", "log", "model")


@pytest.fixture(scope="module")
def broken(mpirun, tmp_path_factory):
    """Return how runs ended in which rank 1 failed at a stage whose errors all ranks share."""
    folder = tmp_path_factory.mktemp("stages")
    runs = [(STAGES[stage], train(folder / stage, "sample:iris")) for stage in SHARED]
    return dict(zip(SHARED, session(mpirun, runs), strict=True))


@pytest.mark.parametrize("stage", SHARED)
def test_an_exception_on_one_rank_is_shared(broken, stage):
    codes, lines = broken[stage]
    assert codes == [1] * 3
    assert len(lines) == 1
    assert "RuntimeError on rank 1" in lines[0]
    assert "injected" in lines[0]


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage not in SHARED])
def test_an_exception_on_one_rank_ends_all(mpirun, tmp_path, stage):
    began = time.monotonic()
    code = SESSION.format(runs=[(STAGES[stage], train(tmp_path, "sample:iris"))]).replace("io.StringIO()", "sys.stderr")
    done = mpirun(3, "import sys" + code, check=False)
    assert done.returncode != 0
    lines = ours(done.stderr)
    assert len(lines) == 1, done.stderr
    assert "injected" in lines[0]
    assert time.monotonic() - began < 40  # start-up and compiling on a busy machine included
