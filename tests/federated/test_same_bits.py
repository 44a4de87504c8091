"""Every aggregator, compressor and attack of the registry: the same bits on any number of ranks, also resumed."""

import json

import numpy as np
import pytest

from hpcfl import config, registry
from tests.federated.test_rounds import PRELUDE, job, write

FOLDERS = ("aggregators", "compressors", "attacks")
PARTS = [(folder, name) for folder in FOLDERS for name in registry.names(folder)]
IDS = [f"{folder}-{name}" for folder, name in PARTS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("bits")
    rng = np.random.default_rng(5)
    x = rng.standard_normal((140, 9))
    y = (x @ rng.standard_normal((9, 3)) + 0.3 * rng.gumbel(size=(140, 3))).argmax(1)
    write(path / "all.h5", x, y, np.repeat(np.arange(8), [5, 30, 15, 20, 10, 25, 15, 20]))
    return path


def table(folder, kind, name, rounds=3):
    key = {"aggregators": "aggregator", "compressors": "compressor", "attacks": "attack"}[kind]
    rule = registry.load(kind, name)
    keys = {key: name, "error_feedback": getattr(rule, "biased", False), "clients_per_round": 7}
    made = job(folder, rounds, 0.05, **keys)
    made["model"] = {"name": "mlp", "hidden": [8], "dtype": "float32"}
    made["data"]["task"] = "classification"
    return made


@pytest.fixture(scope="module")
def found(mpirun, folder):
    tables = [table(folder, *part) for part in PARTS]

    def run(n):
        code = (
            PRELUDE
            + f"""
out = []
for i, table in enumerate(json.loads({json.dumps(tables)!r})):
    w, records = go(table, {str(folder)!r} + f"/run{{comm.size}}-{{i}}")
    out.append((None if w is None else w.tobytes().hex(), records))
if comm.rank == 0:
    print("RESULT" + json.dumps(out))
"""
        )
        text = mpirun(n, code, timeout=240).stdout
        return json.loads(text[text.index("RESULT") + 6 :].splitlines()[0])

    return {n: run(n) for n in (1, 2, 3)}


@pytest.mark.parametrize("part", PARTS, ids=IDS)
def test_the_same_bits(found, part):
    i = PARTS.index(part)
    (w, records), *others = (found[n][i] for n in (1, 2, 3))
    plain = found[1][PARTS.index(("aggregators", "mean"))][0]
    assert np.abs(np.frombuffer(bytes.fromhex(w), np.float32)).max() > 0.1
    assert all(not r["rejected"] for r in records)
    assert part[0] == "aggregators" or (w == plain) == (part[1] == "none")
    for other, their in others:
        assert other == w
        assert [r["train_loss"] for r in their] == [r["train_loss"] for r in records]
        assert [r["uplink_bytes"] for r in their] == [r["uplink_bytes"] for r in records]


def test_every_part_is_read_from_a_job_file(folder):
    for part in PARTS:
        assert config.load(table(folder, *part))
