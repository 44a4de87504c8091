"""Compressed gradients: every compressor learns the digits, with the same bits on any number of ranks, also resumed."""

import json

import pytest

from hpcfl import config, registry
from hpcfl.data import h5
from hpcfl.errors import UsageError

NAMES = registry.names("compressors")
PROGRAM = """
import json
from mpi4py import MPI
import hpcfl
for table in json.loads({tables!r}):
    hpcfl.train(table | {{"output": table["output"] + f"-{{MPI.COMM_WORLD.size}}"}})
"""
GOOD = {"top_k": {"fraction": 0.05}, "random_k": {"fraction": 0.5}}


def job(folder, name, epochs=12):
    return {
        "output": str(folder / name),
        "data": {"train": "sample:digits", "standardize": True},
        "model": {"name": "mlp", "hidden": [32]},
        "optimizer": {"learning_rate": 0.1},
        "train": {"epochs": epochs, "batch_size": 96, "groups": 4},
        "comm": {
            "compressor": {"name": name, **GOOD.get(name, {})},
            "error_feedback": registry.load("compressors", name).biased,
        },
    }


@pytest.fixture(scope="module")
def folder(mpirun, tmp_path_factory):
    folder = tmp_path_factory.mktemp("compressors")
    for n, epochs in ((1, 12), (2, 2), (3, 2)):
        tables = [job(folder, name, epochs) for name in NAMES]
        mpirun(n, PROGRAM.format(tables=json.dumps(tables)), timeout=240)
    tables = [job(folder, name, 2) | {"output": str(folder / f"{name}-short")} for name in NAMES]
    mpirun(1, PROGRAM.format(tables=json.dumps(tables)), timeout=240)
    return folder


def summary(path):
    return json.loads((path / "summary.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_it_learns(folder, name):
    accuracy = summary(folder / f"{name}-1")["final"]["test"]["accuracy"]
    plain = summary(folder / "none-1")["final"]["test"]["accuracy"]
    assert plain > 0.94
    assert accuracy > plain - 0.03


@pytest.mark.parametrize("name", [n for n in NAMES if n != "none"])
def test_ranks_change_nothing(folder, name):
    one, two, three = (h5.read(folder / f"{name}-{n}" / "model.h5")[0]["w"] for n in ("short-1", 2, 3))
    assert (one == two).all()
    assert (one == three).all()
    assert (one != h5.read(folder / "none-short-1" / "model.h5")[0]["w"]).any()


def test_messages_are_smaller(folder):
    sent = {name: summary(folder / f"{name}-2")["messages"]["gradient"]["bytes"] for name in NAMES}
    size, steps = 4 * (64 * 32 + 32 + 32 * 10 + 10), summary(folder / "top_k-2")["steps"]
    assert sent["top_k"] < 0.11 * 4 * size * steps
    assert sent["signsgd"] < 0.04 * 4 * size * steps
    assert sent["float16"] < 0.51 * 4 * size * steps


def test_what_is_lost_survives_on_other_ranks(mpirun, folder):
    table = job(folder, "top_k", 2) | {"output": str(folder / "resumed")}
    first = {**table, "train": table["train"] | {"epochs": 1}}
    mpirun(2, PROGRAM.format(tables=json.dumps([first])))
    code = f"""
import json
from hpcfl import config
from hpcfl.comm.communicator import world
from hpcfl.trainers import run
table = json.loads({json.dumps(table)!r}) | {{"output": {str(folder / "resumed-2")!r}}}
run.train(config.load(table), world(), resume="must")
"""
    mpirun(3, code)
    whole = h5.read(folder / "top_k-2" / "model.h5")[0]["w"]
    assert (h5.read(folder / "resumed-2" / "model.h5")[0]["w"] == whole).all()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"comm": {"compressor": "top_k"}}, "comm.compressor = 'top_k'.* set error_feedback = true"),
        ({"comm": {"compressor": "qsgd", "error_feedback": True}}, "comm.error_feedback = true: compressor 'qsgd'"),
        (
            {"comm": {"compressor": "float16"}, "train": {"mode": "federated"}},
            "comm.compressor: train.mode = 'federated'",
        ),
        ({"comm": {"compressor": {"name": "top_k", "fraction": 0.0}}}, "comm.compressor.fraction = 0.0"),
        ({"comm": {"compressor": {"name": "qsgd", "bits": 3}}}, "comm.compressor.bits = 3"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(table, words):
    with pytest.raises(UsageError, match=words):
        config.load(table)


def test_more_ranks_than_groups_are_refused():
    from hpcfl.trainers.summing import cut

    with pytest.raises(UsageError, match=r"too few for 5 ranks: set train.groups to 8, or start at most 4 ranks"):
        cut(config.load({"comm": {"compressor": "float16"}, "train": {"groups": 4}}), 5, 1000)
    assert cut(config.load({"comm": {"compressor": "float16"}, "train": {"groups": 4}}), 3, 1000).groups == 4
