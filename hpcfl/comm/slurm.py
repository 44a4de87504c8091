"""What SLURM says about this job: how many tasks, and how much time is left."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from math import inf

from hpcfl.errors import UsageError

MARGIN, SHARE = 120.0, 0.1  # seconds, or share of what is left, that writing the last checkpoint may take


def started(env: Mapping[str, str] = os.environ) -> tuple[str, int]:
    """Return (launcher, processes that it started); ("", 0) if none did.

    MPICH's mpirun starts its helpers by srun, so that its ranks carry the variables of both.
    """
    if "OMPI_COMM_WORLD_SIZE" in env:
        return "mpirun", int(env["OMPI_COMM_WORLD_SIZE"])
    if "MPI_LOCALNRANKS" in env:
        return "mpirun", int(env.get("PMI_SIZE", env["MPI_LOCALNRANKS"]))
    if "SLURM_STEP_ID" in env and "SLURM_PROCID" in env:
        return "srun", int(env.get("SLURM_STEP_NUM_TASKS", "1"))
    return "", 0


def check(size: int, env: Mapping[str, str] = os.environ) -> None:
    """Refuse N copies of a job, each thinking that it is alone.

    Raises
    ------
    UsageError
        The launcher started several processes, but MPI made a communicator of `size` = 1 in each.
    """
    launcher, count = started(env)
    if size == 1 and count > 1:
        cure = (
            "use srun --mpi=pmi2 with MPICH, or mpirun inside sbatch"
            if launcher == "srun"
            else "use the mpirun of the MPI that mpi4py loads ('hpcfl doctor' names it)"
        )
        error = UsageError(
            f"{launcher} started {count} processes, but MPI sees 1 rank in each: they would train {count} copies "
            f"of the job; {cure}"
        )
        error.speaker = env.get("SLURM_PROCID", "0") == "0"
        raise error


def seconds_left(env: Mapping[str, str] = os.environ) -> float:
    """Return the seconds that SLURM leaves this job; infinity outside SLURM or without a limit."""
    if "SLURM_JOB_END_TIME" in env:
        return float(env["SLURM_JOB_END_TIME"]) - time.time()
    if "SLURM_JOB_ID" not in env:
        return inf
    command = ["squeue", "--noheader", "--jobs", env["SLURM_JOB_ID"], "--format", "%L"]
    try:
        text = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return inf
    return duration(text.strip())


def stop_after(limit: float, env: Mapping[str, str] = os.environ) -> float:
    """Return the seconds to train for: `limit` (0 is none), or what SLURM leaves less a margin."""
    left = seconds_left(env)
    return min(limit or inf, left - min(MARGIN, SHARE * left) if left < inf else inf)


def duration(text: str) -> float:
    """Return the seconds of SLURM's ``days-hours:minutes:seconds``; infinity for UNLIMITED and the like."""
    days, _, clock = text.rpartition("-")
    try:
        parts = [int(part) for part in clock.split(":")]
        return int(days or 0) * 86400.0 + float(sum(p * 60.0**i for i, p in enumerate(reversed(parts))))
    except ValueError:
        return inf
