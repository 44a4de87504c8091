"""Names of classes and columns: rows of two files are of one meaning, or refused."""

import json

import h5py
import numpy as np
import pytest

import hpcfl
from hpcfl.cli.main import main
from hpcfl.comm.communicator import alone
from hpcfl.data import shard
from hpcfl.data.table import open_table
from hpcfl.errors import DataError
from hpcfl.sections.data import Data


def write(folder, name, labels, **attrs):
    x = np.random.default_rng(len(name)).standard_normal((len(labels), 2))
    with h5py.File(folder / f"{name}.h5", "w") as file:
        file["x"], file["y"] = x, labels
        file.attrs.update({key: json.dumps(value) for key, value in attrs.items()})
    return str(folder / f"{name}.h5")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    columns = {"feature_names": ["a", "b"]}
    made = {
        "train": ([0, 1, 2] * 4, {"classes": ["ant", "bee", "cow"], **columns}),
        "few": ([0, 1, 1], {"classes": ["cow", "bee"], **columns}),
        "strange": ([0, 1], {"classes": ["bee", "dog"], **columns}),
        "swapped": ([0, 1], {"classes": ["ant", "bee", "cow"], "feature_names": ["b", "a"]}),
        "plain": ([2, 0], {}),
        "beyond": ([0, 3], {}),
        "headless": ([2, 0], {"classes": ["ant", "bee", "cow"], "feature_names": ["column0", "column1"]}),
    }
    return {name: write(folder, name, *given[:1], **given[1]) for name, given in made.items()}


def load(train, test):
    return shard.load(Data(train=(train,), test=test), 0, "float64", alone())


@pytest.mark.parametrize(("name", "labels"), [("few", [2, 1, 1]), ("plain", [2, 0]), ("headless", [2, 0])])
def test_labels_of_a_test_file_are_those_of_the_training_rows(files, name, labels):
    assert load(files["train"], files[name]).test.y[:, 0].tolist() == labels


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("strange", "class 'dog' is none of the model's: ant, bee, cow"),
        ("beyond", "row 1: label 3, the model knows 0 to 2"),
        ("swapped", "column 0 is 'b', in .*train.h5 it is 'a'"),
    ],
)
def test_other_classes_and_columns_are_refused(files, name, what):
    with pytest.raises(DataError, match=what):
        load(files["train"], files[name])


def test_the_files_of_a_table_mean_the_same(files):
    assert open_table((files["train"], files["plain"], files["headless"])).rows == 16
    with pytest.raises(DataError, match=r"few.h5: its classes are not those of .*train.h5"):
        open_table((files["train"], files["few"]))
    with pytest.raises(DataError, match=r"swapped.h5: column 0 is 'b'"):
        open_table((files["train"], files["swapped"]))


def test_a_model_knows_its_columns(files, tmp_path, capsys):
    job = {"data": {"train": files["train"]}, "train": {"epochs": 1, "batch_size": 4}, "output": str(tmp_path / "run")}
    hpcfl.train(job)
    assert main(["predict", job["output"], files["headless"], "-o", str(tmp_path / "out.csv")]) == 0
    assert main(["predict", job["output"], files["swapped"], "-o", str(tmp_path / "out.csv")]) == 3
    assert "column 0 is 'b', in" in capsys.readouterr().err


@pytest.mark.parametrize(
    "attrs",
    [
        {"classes": np.array([b"a", b"b", b"c"]), "feature_names": np.array([b"p", b"q"])},
        {"classes": 3, "task": "multiclass", "features": "lots", "categorical": "no", "feature_names": "[p, q]"},
        {"task": np.arange(2), "feature_names": ["only one"], "note": "{not JSON"},
    ],
)
def test_attributes_of_others_do_no_harm(tmp_path, capsys, attrs):
    path = write(tmp_path, "own", [0, 1, 2] * 4)
    with h5py.File(path, "a") as file:
        file.attrs.update(attrs)
    table = open_table(path)
    assert (table.task, table.features) == ("classification", 2)
    assert table.classes == (("a", "b", "c") if isinstance(attrs.get("classes"), np.ndarray) else ())
    hpcfl.train({"data": {"train": path}, "train": {"epochs": 1, "batch_size": 4}, "output": str(tmp_path / "run")})
    assert main(["inspect", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 12
