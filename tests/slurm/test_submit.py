"""The text of a submitted script, against the file golden.sbatch."""

import subprocess
from pathlib import Path

import pytest

from hpcfl.cli.main import main

JOB = 'output = "runs/mine"\n[data]\ntrain = "sample:digits"\n'
GOLDEN = Path(__file__).with_name("golden.sbatch")


@pytest.fixture
def job(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("job.toml").write_text(JOB)
    return ["submit", "job.toml", "--nodes", "2", "--ntasks-per-node", "64", "--time", "1:30:00"]


def test_the_text(job, capsys):
    arguments = [
        "--set",
        "model.name=softmax",
        "--set",
        "data.train=my digits.h5",
        "--option",
        "account=physics",
        "--dry-run",
    ]
    assert main([*job, *arguments]) == 0
    assert capsys.readouterr().out == GOLDEN.read_text()
    assert not Path("runs").exists()


def test_bash_can_read_it(job, capsys):
    main([*job, "--launch", "srun", "--dry-run"])
    text = capsys.readouterr().out
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
    assert "srun --mpi=pmi2 --ntasks=128 hpcfl train job.toml --resume auto &" in text


def test_without_sbatch_it_says_so(job, capsys, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(job) == 2
    assert "no sbatch here" in capsys.readouterr().err


def test_it_is_written_beside_the_run_and_submitted(job, capsys, monkeypatch, tmp_path):
    fake = tmp_path / "bin" / "sbatch"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\necho "Submitted batch job 7"; echo "$1" > sent\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:/usr/bin:/bin")
    assert main(job) == 0
    assert Path("sent").read_text() == "runs/mine.sbatch\n"
    assert "Submitted batch job 7" in capsys.readouterr().out
    assert "#SBATCH --ntasks-per-node=64" in Path("runs/mine.sbatch").read_text()


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "jobs").glob("*.sbatch")), ids=lambda p: p.stem)
def test_the_scripts_of_jobs_say_what_the_cluster_needs(path):
    text = path.read_text()
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0
    for words in ("OPENBLAS_NUM_THREADS=1", "NUMBA_CACHE_DIR", "SRUN_CPUS_PER_TASK", "hpcfl warm", "--resume auto"):
        assert words in text
