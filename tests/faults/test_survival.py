"""With Open MPI's ULFM the others go on when a rank dies, to the bits of a run in which nobody did."""

import json

import h5py
import numpy as np
import pytest

from tests.conftest import launcher
from tests.faults.runs import hpcfl, job, result
from tests.trainers.test_sparse import write

OPENMPI = "--oversubscribe" in launcher()
ULFM = ("--with-ft", "ulfm")
# Ranks that leave or stop without a word are noticed by a detector.
DETECTOR = tuple(
    w for v in ("detector true", "detector_period 0.3", "detector_timeout 3") for w in ("--mca", *f"mpi_ft_{v}".split())
)
GO_ON = ["--set", "comm.on_failure=continue"]
needs_ulfm = pytest.mark.skipif(not OPENMPI, reason="MPICH ends a job whose rank dies; Open MPI runs this")
MODES = ("synchronous", "federated", "forest", "factorization")
KEPT = ["--set", "federated.strategy=scaffold"]
CASES = [  # mode, kinds, places, ranks, more arguments
    ("synchronous", "KILL", "mid-epoch", "1", []),
    ("synchronous", "KILL,KILL", "mid-epoch,second epoch", "0,2", []),  # two in a row, the first one rank 0
    ("synchronous", "KILL,KILL", "mid-epoch,recovery", "1,2", []),
    ("synchronous", "KILL", "copy", "2", []),
    ("synchronous", "SEGV", "log", "0", []),
    ("synchronous", "exit", "model", "0", []),
    ("federated", "KILL", "fifth round", "0", KEPT),
    ("federated", "exit,KILL", "third round,fifth round", "1,2", KEPT),
    ("forest", "KILL", "second trees", "1", []),
    ("factorization", "KILL", "third iteration", "0", []),
]
# After a rank left by exit mpirun ends a rank that is left alone: so 4 ranks, of which 2 die.
SHORT = (0, 1, 2, 5, 6)


@pytest.fixture(scope="module")
def whole(mpirun, tmp_path_factory):
    """What a mode gives when nobody dies."""
    made = {}

    def get(mode, more):
        key = (mode, *more)
        if key not in made:
            folder = tmp_path_factory.mktemp(mode)
            mpirun(1, hpcfl("none", "", 0, [*job(folder, mode, reproducible=True), *more]), timeout=200)
            made[key] = result(folder)
        return made[key]

    return get


def lost(folder):
    """Return all ranks that the log says were lost."""
    lines = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    return [line["lost"] for line in lines if "lost" in line]


@needs_ulfm
@pytest.mark.parametrize(
    ("mode", "kinds", "places", "ranks", "more"),
    [pytest.param(*c, marks=() if i in SHORT else pytest.mark.long) for i, c in enumerate(CASES)],
)
def test_the_others_go_on_to_the_same_bits(mpirun, tmp_path, whole, mode, kinds, places, ranks, more):
    train = [*job(tmp_path, mode, reproducible=True), *more, *GO_ON]
    detector, n = (DETECTOR, 4) if "exit" in kinds else ((), 3)
    command = hpcfl(kinds, places, ranks, train)
    done = mpirun(n, command, check=False, launch=(*ULFM, *detector), timeout=100)
    assert result(tmp_path) == whole(mode, more), done.stderr
    if places != "model":  # that death comes after the last record
        found = lost(tmp_path)
        assert sorted(rank for one in found for rank in one["ranks"]) == sorted(int(r) for r in ranks.split(","))
        assert all(one["recovery_seconds"] < 2 for one in found), found
    for rank in ranks.split(","):
        assert f"rank {rank} on " in done.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["ranks"] == n - len(ranks.split(","))


@needs_ulfm
@pytest.mark.parametrize("steps", [2, 0], ids=["a checkpoint", "none"])
def test_a_rank_dies_together_with_the_holder_of_its_copy(mpirun, tmp_path, whole, steps):
    """The others go on from the newest checkpoint, or from the start."""
    train = [*job(tmp_path, reproducible=True), "--set", f"checkpoint.every_steps={steps}", *GO_ON]
    command = hpcfl("KILL,KILL", "second epoch,second epoch", "1,2", train)
    done = mpirun(3, command, check=False, launch=ULFM, timeout=100)
    assert result(tmp_path) == whole("synchronous", []), done.stderr
    found = lost(tmp_path)
    assert sorted(rank for one in found for rank in one["ranks"]) == [1, 2]
    assert all(bool(one["from"]) == bool(steps) for one in found)


@needs_ulfm
@pytest.mark.parametrize(
    ("kinds", "places", "ranks"),
    [("KILL", "sparse move", "0"), ("KILL,KILL", "sparse message,sparse move", "1,2")],
    ids=["the first", "two in a row"],
)
def test_steps_at_the_columns_of_a_batch_go_on(mpirun, tmp_path, kinds, places, ranks):
    """A rank dies while it moves its part of the parameters, which all share; sums differ by their roundings alone."""
    write(tmp_path / "rows.h5", 2)
    keys = {"data.train": str(tmp_path / "rows.h5"), "model.name": "logistic", "optimizer.momentum": 0}
    more = [word for name, value in keys.items() for word in ("--set", f"{name}={value}")]
    mpirun(1, hpcfl("none", "", 0, [*job(tmp_path / "whole"), *more]))
    command = hpcfl(kinds, places, ranks, [*job(tmp_path / "cut"), *more, *GO_ON])
    done = mpirun(3, command, check=False, launch=ULFM, timeout=100)
    assert sorted(rank for one in lost(tmp_path / "cut") for rank in one["ranks"]) == [*map(int, ranks.split(","))]
    (whole, log), (cut, found) = result(tmp_path / "whole"), result(tmp_path / "cut")
    w, expected = (np.frombuffer(arrays["w"], np.float32) for arrays in (cut, whole))
    np.testing.assert_allclose(w, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max(), err_msg=done.stderr)
    assert [line["step"] for line in found] == [line["step"] for line in log]
    np.testing.assert_allclose(*([line["train_loss"] for line in lines] for lines in (found, log)), rtol=1e-5)


@needs_ulfm
def test_a_lost_silo_is_a_dropped_client(mpirun, tmp_path):
    rng = np.random.default_rng(3)
    for k in range(6):
        with h5py.File(tmp_path / f"silo-{k}.h5", "w") as file:
            file["x"], file["y"] = rng.standard_normal((30, 4)), rng.integers(0, 3, 30)
    train = [*job(tmp_path, "federated"), *GO_ON, "--set", f"data.train={tmp_path}/silo-{{client}}.h5"]
    more = ["--set", "federated.clients_per_round=6"]
    done = mpirun(3, hpcfl("KILL", "fifth round", 1, [*train, *more]), check=False, launch=ULFM, timeout=100)
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [len(line["cohort"]) for line in lines] == [6, 6, 6, 6, 4, 4], done.stderr
    assert "lost_clients" not in lines[3]
    assert sorted(lines[-1]["cohort"] + lines[-1]["lost_clients"]) == list(range(6))
    assert np.isfinite(lines[-1]["train_loss"])


def test_without_ulfm_it_is_refused(mpirun, tmp_path):
    done = mpirun(2, ["-m", "hpcfl", *job(tmp_path), *GO_ON], check=False)
    assert done.returncode == 2
    assert done.stderr.count("hpcfl: comm.on_failure = 'continue' needs Open MPI 5") == 1
