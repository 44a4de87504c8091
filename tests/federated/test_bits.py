"""The same bits on any number of ranks, and killed and resumed on any: every part of a federation, new ones included."""

import json
from pathlib import Path

import numpy as np
import pytest

from hpcfl import registry
from tests.federated import cases
from tests.federated.test_rounds import PRELUDE, write

# Every launch makes each run from its start, and goes on with one that 2 ranks left a round after its checkpoint.
PROGRAM = (
    PRELUDE
    + """
import hashlib, shutil
folder, plain = sys.argv[1], sys.argv[2] == "plain"
def told(table, output, records):
    if comm.rank:
        return None
    with h5py.File(output + "/model.h5") as file:
        arrays = {name: file[name][()] for name in sorted(file)}
    sums = {name: hashlib.sha256(a.tobytes()).hexdigest() for name, a in arrays.items()}
    return {"sums": sums, "w": arrays["w"].tolist(), "records": [{**r, "seconds": 0} for r in records]}
def whole(table, output, **how):
    table = {**table, "output": output}
    return told(table, output, list(run.records(config.load(table), comm, not how, **how)))
def cut(table, output):
    records = run.records(config.load({**table, "output": output}), comm, True)
    for _ in range(3):
        next(records)
    records.close()
    comm.barrier()
    if comm.rank == 0:
        for n in (1, 2, 3):
            shutil.copytree(output, f"{output}-{n}")
    comm.barrier()
out = {}
for i, (name, table) in enumerate(json.load(open(folder + "/cases.json")).items()):
    if comm.size == 2:
        cut(table, f"{folder}/cut{i}")
    alone = whole({**table, "reproducible": not plain}, f"{folder}/run{comm.size}-{i}")
    out[name] = alone, whole(table, f"{folder}/cut{i}-{comm.size}", resume="must")
if comm.rank == 0:
    print("RESULT" + json.dumps(out))
"""
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("bits")
    rng = np.random.default_rng(5)
    x = rng.standard_normal((140, 9))
    y = (x @ rng.standard_normal((9, 3)) + 0.3 * rng.gumbel(size=(140, 3))).argmax(1)
    write(path / "all.h5", x, y, np.repeat(np.arange(8), [5, 30, 15, 20, 10, 25, 15, 20]))
    tables = {name: {**table, "reproducible": True} for name, table in cases.cases(path).items()}
    (path / "cases.json").write_text(json.dumps(tables))
    return path


@pytest.fixture(scope="module")
def found(mpirun, folder):
    def launch(n):  # 2 ranks also show that plain mode needs no rounding here: sums are fixed-point
        text = mpirun(n, ["-c", PROGRAM, str(folder), "plain" if n == 2 else ""], timeout=280).stdout
        return json.loads(text[text.index("RESULT") + 6 :].splitlines()[0])

    return {n: launch(n) for n in (2, 1, 3)}


NAMES = list(cases.cases(Path()))


@pytest.mark.parametrize("name", NAMES)
def test_ranks_change_no_bit(found, name):
    one = found[1][name][0]
    assert np.abs(one["w"]).max() > 0.05
    for n in (2, 3):
        assert found[n][name][0] == one


@pytest.mark.parametrize("name", NAMES)
def test_resumed_on_any_ranks_it_ends_at_the_bits_of_a_whole_run(found, name):
    one = found[1][name][0]
    for n in (1, 2, 3):
        resumed = found[n][name][1]
        assert resumed["sums"] == one["sums"]
        assert resumed["records"] == one["records"][2:]


@pytest.mark.parametrize("name", registry.names("strategies"))
def test_a_strategy_learns_and_leaves_nobody_out(found, name):
    records = found[1][f"strategy {name}"][0]["records"]
    assert all(r["rejected"] == [] for r in records)
    assert records[-1]["train_loss"] < records[0]["train_loss"]


@pytest.mark.parametrize("part", ["compressor", "attack", "aggregator", "server", "partition"])
def test_parts_differ(found, part):
    sums = {name: found[1][name][0]["sums"]["w"] for name in NAMES if name.startswith(part + " ")}
    assert len(set(sums.values())) == len(sums)
