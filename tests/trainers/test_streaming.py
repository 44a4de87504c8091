"""Training on streamed rows: memory, ranks and a resume change no bit; what fails ends all ranks."""

import json

import numpy as np
import pytest

from hpcfl import config
from hpcfl.data import h5
from hpcfl.errors import UsageError

RUN = """
import threading
from hpcfl import config
from hpcfl.comm.communicator import world
from hpcfl.trainers.run import records
for name, limit, cut in RUNS:
    job = {**JOB, "output": f"{JOB['output']}/{name}", "data": {**JOB["data"], "memory_limit": limit}}
    run = records(config.load(job), world(), True)
    if cut:
        next(run)
        run.close()
        run = records(config.load(job), world(), resume="must")
    for _ in run:
        pass
    assert not [t for t in threading.enumerate() if t.name == "read-ahead"]
"""
RUNS = {  # of 24,000 rows of 40 bytes; slots take 0.46 MiB over all ranks, what is left keeps streams of 0.11 MiB
    1: [("memory1", 64.0, False), ("disk1", 0.5, False), ("most1", 0.8, False)],
    2: [("disk2", 0.3, False), ("cut2", 0.4, True)],
    3: [("disk3", 0.4, False)],
}


def write(path, x, **attrs):
    y = (x[:, :10].sum(1) > x[:, 10:20].sum(1)).astype(np.int64)
    h5.write_atomic(path, {"x": x, "y": y}, {"format": "hpcfl", "task": "classification", **attrs})
    return str(path)


def bytes_of(rows, width=40):
    return np.random.default_rng(0).integers(0, 255, (rows, width)).astype(np.uint8)


@pytest.mark.parametrize("kind", ["reproducible", "plain", "compressed"])
def test_same_result(mpirun, tmp_path, kind):
    job = {
        "output": str(tmp_path),
        "reproducible": kind == "reproducible",
        "data": {"train": write(tmp_path / "a.h5", bytes_of(30000)), "order": "blocks", "streams": 8},
        "model": {"name": "softmax"},
        "train": {"epochs": 2, "batch_size": 250, "groups": 4},
        "checkpoint": {"every_steps": 37},
    }
    job["data"]["standardize"] = True
    if kind == "compressed":
        job["comm"] = {"compressor": "float16"}
    if kind == "plain":
        job["data"]["test"] = write(tmp_path / "b.h5", bytes_of(30000)[::3].copy())
    runs = RUNS if kind == "reproducible" else {1: RUNS[1][:1], 2: RUNS[2]}
    for n, what in runs.items():
        mpirun(n, f"RUNS = {what!r}\nJOB = {job!r}\n{RUN}", timeout=200)
    names = [name for what in runs.values() for name, _, _ in what]
    arrays = [h5.read(tmp_path / name / "model.h5")[0] for name in names]
    for found in arrays[1:]:
        for key, value in arrays[0].items():
            np.testing.assert_allclose(found[key], value, rtol=0, atol=1e-4 if kind == "plain" else 0)
    assert np.abs(arrays[0]["w"]).max() > 0.1
    summaries = [json.loads((tmp_path / name / "summary.json").read_text()) for name in names]
    accuracies = {round(s["final"]["test"]["accuracy"], 3) for s in summaries}
    assert len(accuracies) == 1
    assert accuracies.pop() > 0.8


@pytest.mark.parametrize("what", ["a value that is no number", "a damaged chunk"])
def test_rows_that_cannot_be_used_end_all_ranks(mpirun, tmp_path, what):
    x = np.random.default_rng(0).random((20000, 40), np.float32)
    x[15123, 7] = np.nan if "number" in what else 0.5
    path = write(tmp_path / "a.h5", x)
    if "chunk" in what:
        with h5.atomic(path) as file:
            data = file.create_dataset("x", data=x, chunks=(500, 40), fletcher32=True)
            place = data.id.get_chunk_info(30).byte_offset
            file["y"] = np.arange(20000) % 2
            h5.put_attrs(file, {"format": "hpcfl", "task": "classification"})
        with open(path, "r+b") as raw:
            raw.seek(place + 100)
            raw.write(b"\xff\x00\xff")
    job = f'output = "{tmp_path}/run"\n[data]\ntrain = "{path}"\ntest = "none"\norder = "blocks"\nmemory_limit = 1\n'
    (tmp_path / "job.toml").write_text(job + "streams = 8\n[train]\nepochs = 1\n")
    done = mpirun(2, ["-m", "hpcfl", "train", str(tmp_path / "job.toml")], check=False)
    lines = [line for line in done.stderr.splitlines() if line.startswith("hpcfl:")]
    assert done.returncode == 3, done.stderr
    assert len(lines) == 1
    assert ("row 15123, column 7" if "number" in what else "cannot be read") in lines[0]


@pytest.mark.parametrize("limit", [24, 64])  # windows take 16 MiB, a stream that is kept 18
def test_memory_stays_under_the_limit(mpirun, tmp_path, limit):
    rows, peaks = 240_000, []
    for n in (4000, rows):
        job = f'output = "{tmp_path}/{n}"\n[data]\ntrain = "{write(tmp_path / f"{n}.h5", bytes_of(n, 800))}"\n'
        job += f'order = "blocks"\nstreams = 8\nmemory_limit = {limit}\n[train]\nepochs = 1\nbatch_size = 512\n'
        (tmp_path / "job.toml").write_text(job)
        mpirun(1, ["-m", "hpcfl", "train", str(tmp_path / "job.toml"), "--set", "optimizer.learning_rate=1e-6"])
        peaks.append(json.loads((tmp_path / str(n) / "summary.json").read_text())["peak_memory_bytes"])
    # Both hold what interpreter, libraries and kernels need; the second one's rows are 192 MB.
    assert peaks[1] - peaks[0] < limit * 2**20 + 40 * rows + 16e6


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"train": {"mode": "federated"}}, "data.order = 'blocks': train.mode = 'federated'"),
        ({"train": {"mode": "forest"}, "model": {"name": "forest"}}, "data.order = 'blocks': train.mode = 'forest'"),
        ({"data": {"memory_limit": -1.0}}, "memory_limit"),
    ],
)
def test_what_is_refused_as_it_is_read(keys, said):
    with pytest.raises(UsageError, match=said):
        config.load({**keys, "data": {"order": "blocks", **keys.get("data", {})}})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("data.memory_limit=0.03", "data.memory_limit = 0.03: "),
        ("train.batch_size='full'", "raise data.streams, or lower train.batch_size"),
    ],
)
def test_what_is_refused_once_the_data_is_known(tmp_path, capsys, change, said):
    from hpcfl.cli import main

    job = f'output = "{tmp_path}/run"\n[data]\ntrain = "{write(tmp_path / "a.h5", bytes_of(3000))}"\norder = "blocks"\n'
    (tmp_path / "job.toml").write_text(job)
    assert main.main(["train", str(tmp_path / "job.toml"), "--set", change]) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
