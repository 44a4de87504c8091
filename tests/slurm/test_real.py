"""The batch scripts under a real SLURM on this machine (setup.sh starts it; run with -m long)."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.runs import result

pytestmark = pytest.mark.long
HERE = Path(__file__).parent
JOBS = HERE.parents[1] / "jobs"
BIN = Path(sys.executable).parent
OPENMPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
JOB = """
seed = 3
output = "{output}"
[data]
train = "sample:digits"
[model]
name = "softmax"
[optimizer]
name = "sgd"
learning_rate = 0.01
[train]
epochs = {epochs}
batch_size = 32
[checkpoint]
every_steps = 0
"""


@pytest.fixture(scope="module", autouse=True)
def slurm():
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        assert "CI" not in os.environ, "CI installs SLURM: it must run as root, on Debian"
        pytest.skip("SLURM is installed by root, on Debian")
    subprocess.run(["bash", str(HERE / "setup.sh")], check=True, timeout=600)


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """Return ``submit(*arguments, wait=True) -> job id``; jobs run in `tmp_path`."""
    monkeypatch.setenv("PATH", f"{BIN}:{os.environ['PATH']}")
    for name, value in {**OPENMPI, "USER": "root"}.items():
        monkeypatch.setenv(name, value)
    sent = []

    def submit(*arguments: str) -> str:
        command = ["sbatch", "--parsable", "--output=%j.log", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        sent.append(done.stdout.strip())
        return sent[-1]

    yield submit
    subprocess.run(["scancel", *sent], check=False)


def scontrol(*arguments: str) -> str:
    return subprocess.run(["scontrol", *arguments], capture_output=True, text=True, check=False).stdout


def until(reached, job: str, folder: Path, seconds: float = 400) -> None:
    """Wait for a condition, or fail with SLURM's word and the job's log."""
    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            logs = "".join(path.read_text() for path in folder.glob("*.log"))
            pytest.fail(f"{scontrol('show', 'job', job)}\n{logs}")
        time.sleep(0.1)


def state(job: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in scontrol("show", "job", job).split() if "=" in word)


def ended(job: str) -> bool:
    return state(job).get("JobState") in ("COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL")


def write(folder: Path, epochs: int = 2) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "job.toml").write_text(JOB.format(output=folder / "run", epochs=epochs))
    return str(folder / "job.toml")


def mpich() -> bool:
    return (BIN / "mpichversion").exists() or (BIN / "mpiexec.hydra").exists()


SPY = """
import atexit, os
rank = os.environ.get("PMI_RANK", os.environ.get("OMPI_COMM_WORLD_RANK"))
if rank is not None:
    core = str(sorted(os.sched_getaffinity(0)))
    atexit.register(lambda: open(f"{os.environ['SPY']}/core-{rank}", "w").write(core))
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="2 ranks are pinned to 2 cores")
def test_the_ranks_of_a_fraction_of_a_node_have_a_core_each(queue, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(SPY)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("SPY", str(tmp_path))
    job = queue(str(JOBS / "fraction.sbatch"), write(tmp_path))
    until(lambda: ended(job), job, tmp_path)
    assert state(job)["JobState"] == "COMPLETED", (tmp_path / f"{job}.log").read_text()
    cores = [json.loads((tmp_path / f"core-{rank}").read_text()) for rank in (0, 1)]
    assert len(cores[0]) == len(cores[1]) == 1
    assert cores[0] != cores[1]


@pytest.mark.parametrize("name", ["one_node", "preemptible", "several_nodes"])
def test_a_job_that_finishes(queue, tmp_path, name):
    fit = ["--nodes=1", "--ntasks-per-node=2"] if name == "several_nodes" else []
    job = queue(*fit, str(JOBS / f"{name}.sbatch"), write(tmp_path))
    until(lambda: ended(job), job, tmp_path)
    assert state(job)["JobState"] == "COMPLETED", (tmp_path / f"{job}.log").read_text()
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["ranks"] == 2


@pytest.mark.skipif(not mpich(), reason="SLURM 22.05 starts MPICH's ranks only")
def test_srun_starts_the_ranks_of_mpich(queue, tmp_path, monkeypatch):
    monkeypatch.setenv("HPCFL_LAUNCH", "srun --mpi=pmi2")
    job = queue(str(JOBS / "one_node.sbatch"), write(tmp_path))
    until(lambda: ended(job), job, tmp_path)
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["ranks"] == 2


def test_the_wrong_mpi_type_is_refused(queue, tmp_path, monkeypatch):
    monkeypatch.setenv("HPCFL_LAUNCH", "srun --mpi=none")
    job = queue(str(JOBS / "one_node.sbatch"), write(tmp_path))
    until(lambda: ended(job), job, tmp_path)
    assert state(job)["JobState"] == "FAILED"
    text = (tmp_path / f"{job}.log").read_text()
    assert text.count("would train 2 copies") == 1
    assert not (tmp_path / "run" / "job.toml").exists()


@pytest.mark.skipif(mpich(), reason="MPICH ends a job whose rank dies; Open MPI runs this")
def test_a_job_that_outlives_a_rank(queue, tmp_path):
    job = queue(str(JOBS / "outliving.sbatch"), write(tmp_path, 300))
    log = tmp_path / "run" / "log.jsonl"
    until(lambda: log.exists() and log.read_text().count("\n") > 1, job, tmp_path)
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if b"OMPI_COMM_WORLD_RANK=1" in words and f"SLURM_JOB_ID={job}".encode() in words:
                os.kill(int(path.parent.name), signal.SIGKILL)
    until(lambda: ended(job), job, tmp_path)
    assert state(job)["JobState"] == "COMPLETED", (tmp_path / f"{job}.log").read_text()
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["lost"][0]["ranks"] == [1]


def test_an_array_of_seeds(queue, tmp_path):
    job = queue("--array=0-1", str(JOBS / "seeds.sbatch"), write(tmp_path))
    until(lambda: all((tmp_path / "runs" / f"seed-{s}" / "summary.json").exists() for s in (0, 1)), job, tmp_path)


def test_requeued_by_its_signal_it_ends_with_the_bits_of_an_uninterrupted_run(queue, tmp_path):
    epochs = 300
    log = tmp_path / "cut" / "run" / "log.jsonl"
    job = queue(str(JOBS / "preemptible.sbatch"), write(tmp_path / "cut", epochs))
    until(lambda: log.exists() and len(log.read_text().splitlines()) > 1, job, tmp_path)
    subprocess.run(["scancel", "--signal=USR1", "--batch", job], check=True)
    until(lambda: state(job)["Restarts"] == "1", job, tmp_path)
    assert "stopped by SIGUSR1 after a checkpoint" in (tmp_path / f"{job}.log").read_text()
    assert not (tmp_path / "cut" / "run" / "summary.json").exists()
    # SLURM waits 2 minutes, so that the credential revoked by the requeue is older than the new one.
    scontrol("update", f"jobid={job}", "StartTime=now+5")
    until(lambda: ended(job), job, tmp_path)
    assert state(job)["JobState"] == "COMPLETED"
    whole = queue(str(JOBS / "preemptible.sbatch"), write(tmp_path / "whole", epochs))
    until(lambda: ended(whole), whole, tmp_path)
    assert result(tmp_path / "cut") == result(tmp_path / "whole")


def test_what_slurm_says_is_left_stops_in_time(queue, tmp_path):
    job = queue("--time=1", str(JOBS / "one_node.sbatch"), write(tmp_path, 10**6))
    until(lambda: ended(job), job, tmp_path)
    text = (tmp_path / f"{job}.log").read_text()
    assert "stopped by the time limit after a checkpoint" in text
    assert state(job)["ExitCode"] == "75:0"
