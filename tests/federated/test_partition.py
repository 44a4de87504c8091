"""`hpcfl partition`: files per silo that train to what the simulation trains to, and who holds what."""

import json

import h5py
import numpy as np
import pytest

from hpcfl.cli import partition
from hpcfl.cli.main import main
from hpcfl.config import load
from hpcfl.errors import UsageError
from tests.trainers.data import write, write_csr

FEDERATED = {"clients": 5, "clients_per_round": 3, "partition": {"name": "dirichlet", "alpha": 0.3}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("partition")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((90, 4)), rng.integers(0, 3, 90)
    write(path / "dense.h5", x, y, weight=rng.uniform(0.5, 2, 90))
    write(path / "targets.h5", x, x[:, 0] + 0.1)
    write_csr(path / "sparse.h5", np.where(rng.random(x.shape) < 0.5, x, 0), y)
    return path


def job(folder, file="dense.h5", model="softmax", **federated):
    return {
        "output": str(folder / "run"),
        "data": {"train": str(folder / file), "test": 0.2},
        "model": {"name": model, "dtype": "float64"},
        "train": {"mode": "federated", "rounds": 3},
        "federated": {**FEDERATED, **federated},
    }


def rows_of(path, sparse):
    with h5py.File(path) as file:
        if not sparse:
            return file["x"][()], file["y"][()]
        x = np.zeros((len(file["y"]), 4))
        place = np.repeat(np.arange(len(x)), np.diff(file["x/indptr"][()]))
        x[place, file["x/indices"][()]] = file["x/data"][()]
        return x, file["y"][()]


@pytest.mark.parametrize(
    ("file", "model", "keys"),
    [
        ("dense.h5", "softmax", {}),
        ("sparse.h5", "softmax", {}),
        ("targets.h5", "linear", {"partition": {"name": "quantity"}}),
    ],
)
def test_every_row_is_in_one_file(folder, tmp_path, file, model, keys):
    said = partition.write(load(job(folder, file, model, **keys)), tmp_path / "out")
    assert "5 clients" in "\n".join(said)
    sparse = file == "sparse.h5"
    parts = [rows_of(p, sparse) for p in sorted((tmp_path / "out").glob("*.h5"))]
    assert len(parts) == 6
    found = np.concatenate([np.column_stack([x, y]) for x, y in parts])
    x, y = rows_of(folder / file, sparse)
    want = np.column_stack([x, y])
    assert (found[np.lexsort(found.T)] == want[np.lexsort(want.T)]).all()


def test_silos_train_to_the_same_bits(folder, tmp_path, mpirun):
    out = tmp_path / "out"
    table = job(folder)
    partition.write(load(table), out)
    code = f"""
import json, h5py, tomllib
from hpcfl import config
from hpcfl.comm.communicator import world
from hpcfl.trainers import run
comm, found = world(), []
for i, table in enumerate([json.loads({json.dumps(table)!r}), tomllib.load(open({str(out / "job.toml")!r}, "rb"))]):
    *_, last = run.records(config.load({{**table, "output": f"{tmp_path}/{{i}}"}}), comm, True)
    found.append((last["test"]["accuracy"], last["cohort"]))
if comm.rank == 0:
    a, b = (h5py.File(f"{tmp_path}/{{i}}/model.h5")["w"][()] for i in range(2))
    print("SAME", (a == b).all(), abs(a).max() > 0.01, found[0] == found[1])
"""
    assert "SAME True True True" in mpirun(2, code, timeout=240).stdout


def test_the_table_counts_classes_and_a_picture_is_drawn(folder, tmp_path):
    said = partition.write(load(job(folder)), tmp_path / "out")
    lines = [line.split() for line in (tmp_path / "out" / "holdings.txt").read_text().splitlines()]
    assert lines[1] == ["client", "rows", "0", "1", "2"]
    for name, rows, *cells in lines[2:]:
        _, y = rows_of(tmp_path / "out" / f"silo-{name}.h5", False)
        assert int(rows) == len(y)
        assert [0 if c == "." else int(c) for c in cells] == np.bincount(y, minlength=3).tolist()
    assert (tmp_path / "out" / "holdings.png").stat().st_size > 5000
    assert said[-1] == f"try next: hpcfl train {tmp_path}/out/job.toml"


def test_without_matplotlib_the_table_stays(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    assert any(r"pip install '.[plot]'" in line for line in partition.write(load(job(folder)), tmp_path / "out"))


def test_what_cannot_be_written_is_refused(folder, tmp_path, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(UsageError, match="holds something already"):
        partition.write(load(job(folder)), tmp_path / "full")
    with pytest.raises(UsageError, match="only a federated job has clients"):
        partition.write(load({}), tmp_path / "out")
    with pytest.raises(UsageError, match="silos already"):
        partition.write(load({**job(folder), "data": {"train": "silo-{client}.h5"}}), tmp_path / "out")
    file = tmp_path / "job.toml"
    file.write_text('train = { mode = "federated" }\n[federated]\npartition = { name = "dirichlet", min_rows = 900 }')
    assert main(["partition", str(file), str(tmp_path / "out")]) == 2
    assert "federated.partition.min_rows = 900" in capsys.readouterr().err
