"""A run that was stopped goes on to the bits of one that never was."""

import json
import shutil

import h5py
import numpy as np
import pytest

from tests.faults.runs import codes, hpcfl, job, result


@pytest.fixture(scope="module", params=["synchronous", "federated"])
def whole(request, mpirun, tmp_path_factory):
    """A run that nothing happens to, on 2 ranks."""
    folder = tmp_path_factory.mktemp("whole")
    mpirun(2, hpcfl("none", "", 0, job(folder, request.param)), timeout=300)
    return request.param, folder


PLACE = {"synchronous": "mid-epoch", "federated": "third round"}


@pytest.mark.parametrize("rank", [0, 1])
def test_term_checkpoints_and_exits_75_and_resume_gives_the_same_bits(whole, mpirun, tmp_path, rank):
    mode, reference = whole
    train = job(tmp_path, mode)
    done = mpirun(2, hpcfl("TERM", PLACE[mode], rank, train, [*train, "--resume"]), timeout=120)
    assert codes(done.stdout) == [75, 0]
    assert done.stderr.count("hpcfl: stopped by SIGTERM after a checkpoint") == 1
    assert result(tmp_path) == result(reference)


def test_without_a_run_resume_is_refused_and_auto_starts(mpirun, tmp_path, whole):
    mode, reference = whole
    train = job(tmp_path, mode)
    done = mpirun(2, hpcfl("none", "", 0, [*train, "--resume"], [*train, "--resume", "auto"]), timeout=120)
    assert codes(done.stdout) == [2, 0]
    assert "holds no whole checkpoint" in done.stderr
    assert result(tmp_path) == result(reference)


def test_a_finished_run_resumes_to_itself_and_more_of_it_is_as_from_the_start(mpirun, tmp_path, whole):
    mode, reference = whole
    shutil.copytree(reference / "run", tmp_path / "run")
    train = job(tmp_path, mode)
    mpirun(2, hpcfl("none", "", 0, [*train, "--resume"]), timeout=120)
    assert result(tmp_path) == result(reference)
    assert "accuracy" in json.loads((tmp_path / "run" / "summary.json").read_text())["final"]["test"]


def test_another_job_is_refused_and_nothing_is_touched(mpirun, tmp_path, whole):
    mode, reference = whole
    shutil.copytree(reference / "run", tmp_path / "run")
    before = (tmp_path / "run" / "job.toml").read_text(), (tmp_path / "run" / "log.jsonl").read_text()
    train = job(tmp_path, mode)
    done = mpirun(2, hpcfl("none", "", 0, [*train, "--resume", "--set", "seed=4"]), check=False, timeout=120)
    assert done.returncode == 2
    assert "seed was 3, is 4" in done.stderr
    assert before == ((tmp_path / "run" / "job.toml").read_text(), (tmp_path / "run" / "log.jsonl").read_text())


@pytest.fixture(scope="module")
def stopped(mpirun, tmp_path_factory):
    """A reproducible run that was stopped on 2 ranks, and a whole one."""
    cut, whole = tmp_path_factory.mktemp("cut"), tmp_path_factory.mktemp("whole")
    runs = job(cut, reproducible=True), job(whole, reproducible=True)
    done = mpirun(2, hpcfl("TERM", "mid-epoch", 1, *runs), timeout=120)
    assert codes(done.stdout) == [75, 0], done.stderr
    return cut, whole


@pytest.mark.parametrize("ranks", [1, 3])
def test_reproducible_runs_resume_on_other_ranks(mpirun, tmp_path, stopped, ranks):
    cut, whole = stopped
    shutil.copytree(cut / "run", tmp_path / "run")
    mpirun(ranks, hpcfl("none", "", 0, [*job(tmp_path, reproducible=True), "--resume"]), timeout=120)
    assert result(tmp_path) == result(whole)


def test_the_time_limit_stops_with_a_checkpoint(mpirun, tmp_path):
    train = job(tmp_path)
    long = ["--set", "train.epochs=100000", "--set", "train.time_limit=1", "--set", "checkpoint.every_steps=0"]
    done = mpirun(2, hpcfl("none", "", 0, [*train, *long]), check=False, timeout=120)
    assert done.returncode == 75
    assert "stopped by the time limit" in done.stderr
    assert list((tmp_path / "run" / "checkpoints").iterdir())


def test_a_silo_that_changed_is_noticed_by_the_rank_that_reads_it(mpirun, tmp_path):
    rng = np.random.default_rng(3)
    for k in range(4):
        with h5py.File(tmp_path / f"silo-{k}.h5", "w") as file:
            file["x"], file["y"] = rng.standard_normal((30, 4)), rng.integers(0, 3, 30)
    silos = ["--set", f"data.train={tmp_path}/silo-{{client}}.h5", "--set", "federated.clients_per_round=4"]
    train = [*job(tmp_path, "federated"), *silos]
    mpirun(2, hpcfl("none", "", 0, train), timeout=120)
    mpirun(1, hpcfl("none", "", 0, [*train, "--resume", "--set", "train.rounds=7"]), timeout=120)  # other ranks may
    with h5py.File(tmp_path / "silo-3.h5", "a") as file:
        file["x"][5, 1] += 1
    done = mpirun(2, hpcfl("none", "", 0, [*train, "--resume"]), check=False, timeout=120)
    assert done.returncode == 2
    assert "the data files changed since the checkpoint" in done.stderr


@pytest.mark.parametrize(
    ("mode", "more", "ranks"),
    [
        ("forest", [], 2),
        ("forest", ["--set", "model.boosting=true", "--set", "model.trees=8"], 2),
        ("factorization", [], 2),
        ("factorization", ["--set", "reproducible=true"], 3),
    ],
    ids=["forest", "boosting", "factorization", "factorization on other ranks"],
)
def test_forests_resume_by_tree_and_factorizations_by_iteration(mpirun, tmp_path, mode, more, ranks):
    """A damaged newest checkpoint, so that the resumed run goes on from the middle; the log is cut back to there."""
    train = [*job(tmp_path / "whole", mode), *more, "--set", "checkpoint.keep=100"]
    mpirun(2, hpcfl("none", "", 0, train), timeout=200)
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    folders = sorted((tmp_path / "cut" / "run" / "checkpoints").iterdir())
    for folder in folders[len(folders) // 2 :]:
        (folder / "manifest.json").unlink()
    (tmp_path / "cut" / "run" / "model.h5").unlink()
    resume = [*job(tmp_path / "cut", mode), *more, "--resume"]
    mpirun(ranks, hpcfl("none", "", 0, resume, resume), timeout=120)  # nothing is left for the second one
    assert result(tmp_path / "cut") == result(tmp_path / "whole")
