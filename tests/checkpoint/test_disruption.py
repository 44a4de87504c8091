"""Whatever happens to a checkpoint's files: detected, fallen back from, never loaded wrong."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from hpcfl.comm.communicator import world
from hpcfl.data.checkpoint import Checkpoints
from hpcfl.errors import UsageError

JOB = {"seed": 1, "train": {"epochs": 3, "batch_size": 8}, "reproducible": True}
DATA = "fingerprint"
FILES = ("rank-000000.h5", "manifest.json")


def state(k: int) -> tuple[dict, dict, dict]:
    return (
        {"epoch": k, "step": 2},
        {"w": np.arange(500.0) * k, "t": np.array(k)},
        {"client/3": np.full((2, 3), k, np.float32)},
    )


def attrs() -> dict:
    return {"job": JOB, "data": DATA}


@pytest.fixture
def store(tmp_path):
    store = Checkpoints(tmp_path / "checkpoints", world(), 2)
    for k in (1, 2):
        assert store.save(*state(k), attrs())
    return store


def check(loaded, k: int) -> None:
    position, shared, own = state(k)
    assert loaded.position == position
    assert loaded.shared.keys() == shared.keys()
    for name, array in shared.items():
        np.testing.assert_array_equal(loaded.shared[name], array)
        assert loaded.shared[name].dtype == array.dtype
    np.testing.assert_array_equal(loaded.own["client/3"][0], own["client/3"])


def folders(store) -> list[Path]:
    return sorted(store.path.iterdir())


def test_the_newest_comes_back_with_every_bit(store):
    check(store.load(JOB, DATA), 2)


def test_the_newest_two_are_kept(store):
    store.save(*state(3), attrs())
    assert [p.name for p in folders(store)] == ["00000002", "00000003"]


def test_nothing_is_there_at_first(tmp_path):
    assert Checkpoints(tmp_path / "none", world(), 2).load(JOB, DATA) is None


@pytest.mark.parametrize("name", FILES)
def test_a_deleted_file(store, name, capfd):
    (folders(store)[-1] / name).unlink()
    check(store.load(JOB, DATA), 1)
    assert "00000002 is passed over" in capfd.readouterr().err


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 0.999, 1.0])
def test_a_truncated_file(store, name, part, capfd):
    path = folders(store)[-1] / name
    size = path.stat().st_size
    os.truncate(path, min(int(size * part), size - 1))
    check(store.load(JOB, DATA), 1)
    assert "passed over" in capfd.readouterr().err


@pytest.mark.parametrize("name", FILES)
def test_a_bit_flipped_anywhere(store, name):
    path = folders(store)[-1] / name
    whole = path.read_bytes()
    rng = np.random.default_rng(5)
    for at in rng.integers(0, len(whole), 40):
        data = bytearray(whole)
        data[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        loaded = Checkpoints(store.path, store.comm, 2).load(JOB, DATA)
        # Spaces between JSON tokens carry nothing: a flip there may be read as the same manifest.
        check(loaded, 1 if loaded.position["epoch"] == 1 else 2)
        assert name == "manifest.json" or loaded.position["epoch"] == 1


@pytest.mark.parametrize("name", FILES)
def test_a_file_swapped_with_an_older_one(store, name):
    old, new = folders(store)
    shutil.copy(old / name, new / name)
    check(store.load(JOB, DATA), 1)


def test_a_whole_folder_swapped_with_an_older_one(store, capfd):
    old, new = folders(store)
    shutil.rmtree(new)
    shutil.copytree(old, new)
    check(store.load(JOB, DATA), 1)
    assert "belongs to checkpoint 00000001" in capfd.readouterr().err


def test_nothing_whole_is_left(store):
    for folder in folders(store):
        (folder / "manifest.json").write_bytes(b"{}")
    assert store.load(JOB, DATA) is None


def test_a_damaged_one_gives_way_to_the_next_and_never_costs_a_whole_one(store):
    (folders(store)[-1] / FILES[0]).write_bytes(b"")
    store.load(JOB, DATA)
    store.save(*state(3), attrs())
    assert [p.name for p in folders(store)] == ["00000001", "00000003"]
    check(store.load(JOB, DATA), 3)


def test_a_full_disk_leaves_the_older_one_valid_and_training_going(store, monkeypatch, capfd):
    def full(path, data):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("hpcfl.data.h5.put", full)
        assert store.save(*state(3), attrs()) is False
    assert "No space left" in capfd.readouterr().err
    check(store.load(JOB, DATA), 2)
    assert store.save(*state(4), attrs())
    check(store.load(JOB, DATA), 4)


@pytest.mark.parametrize("step", ["write_bytes", "fsync", "replace"])
def test_a_crash_while_writing_leaves_the_older_one(store, monkeypatch, step):
    class Dead(BaseException):
        """Ends the process: no handler runs."""

    def die(*_):
        raise Dead

    with monkeypatch.context() as patch:
        patch.setattr(Path if step == "write_bytes" else os, step, die)
        with pytest.raises(Dead):
            store.save(*state(3), attrs())
    check(Checkpoints(store.path, store.comm, 2).load(JOB, DATA), 2)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 2),
        ("train.batch_size", 16),
        ("model.name", "mlp"),
        ("reproducible", False),
        ("comm.compressor", "qsgd"),
    ],
)
def test_another_job_is_refused_by_name(store, key, value):
    first, _, last = key.rpartition(".")
    other = JOB | ({first: JOB.get(first, {}) | {last: value}} if first else {last: value})
    with pytest.raises(UsageError, match=key):
        store.load(other, DATA)


def test_keys_that_may_change(store):
    check(store.load(JOB | {"train": JOB["train"] | {"epochs": 9}, "checkpoint": {"keep": 7}, "output": "x"}, DATA), 2)


def test_other_data_or_another_cpu_is_refused(store, monkeypatch):
    with pytest.raises(UsageError, match="data files changed"):
        store.load(JOB, "other")
    monkeypatch.setattr("hpcfl.data.identity.machine", lambda: {"cpu": "x86-64-v2"})
    with pytest.raises(UsageError, match="another kind of CPU: cpu was"):
        store.load(JOB, DATA)


def test_ranks_fall_back_together_and_merge_their_own_parts(mpirun, tmp_path):
    code = f"""
import numpy as np
from pathlib import Path
from hpcfl.comm.communicator import world
from hpcfl.data.checkpoint import Checkpoints
comm = world()
store = Checkpoints(Path({str(tmp_path)!r}) / "c", comm, 2)
attrs = {{"job": {{}}, "data": "d"}}
for k in (1, 2):
    own = {{f"client/{{comm.rank}}": np.full(3, 10 * k + comm.rank)}} if comm.rank else {{}}
    store.save({{"round": k}}, {{"w": np.full(4, k)}}, own | {{"rows": np.array([comm.rank])}}, attrs)
comm.barrier()
if comm.rank == 2:
    path = store.path / "00000002" / "rank-000002.h5"
    data = bytearray(path.read_bytes()); data[len(data) // 2] ^= 1; path.write_bytes(data)
comm.barrier()
got = store.load({{}}, "d")
assert got.position == {{"round": 1}}, got
assert (got.shared["w"] == 1).all()
assert sorted(got.own) == ["client/1", "client/2", "rows"]
assert (got.own["client/2"][0] == 12).all()
assert [int(r[0]) for r in got.own["rows"]] == [0, 1, 2]
"""
    done = mpirun(3, code)
    assert done.stderr.count("passed over") == 1
