"""`hpcfl doctor`: every topic has a line, and what is wrong has a cure."""

import os
import subprocess
import sys
from pathlib import Path

TOPICS = ("MPI", "ranks", "ULFM", "SLURM", "cores", "BLAS", "Numba", "CPU", "HDF5", "output", "disk", "kernels")


def test_without_a_launcher_it_says_everything():
    command = [sys.executable, "-m", "hpcfl", "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    first = [line[2:].split(" ")[0] for line in done.stdout.splitlines() if "->" not in line]
    assert set(TOPICS) <= set(first)
    assert "-> one process: start it by mpirun or srun" in done.stdout


def test_ranks_speak_once(mpirun, tmp_path):
    done = mpirun(2, ["-m", "hpcfl", "doctor", str(tmp_path)])
    assert done.stdout.count("HDF5 ") == 1
    assert "mpirun started 2 processes, MPI sees 2 ranks" in done.stdout
    assert "can be written" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_too_many_threads_and_a_cold_cache_are_advised_against(tmp_path):
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "4096", "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "hpcfl", "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=env)
    assert "-> export OPENBLAS_NUM_THREADS=1" in done.stdout
    assert "-> run 'hpcfl warm job.toml'" in done.stdout


def test_copies_that_think_they_are_alone_are_refused_in_train_too(tmp_path):
    env = {**os.environ, "SLURM_STEP_ID": "0", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "4"}
    Path(tmp_path / "job.toml").write_text(f'output = "{tmp_path}/run"\n[data]\ntrain = "sample:digits"\n')
    for arguments in (["doctor"], ["train", str(tmp_path / "job.toml")]):
        command = [sys.executable, "-m", "hpcfl", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=env)
        assert done.returncode == 2
        assert "4 copies of the job" in done.stdout + done.stderr
    assert not (tmp_path / "run").exists()
