"""Variables as SLURM 22.05 and both mpiruns set them (read off real jobs)."""

import time
from math import inf

import pytest

from hpcfl.comm import slurm
from hpcfl.errors import UsageError

BATCH = {"SLURM_JOB_ID": "1", "SLURM_NTASKS": "2", "SLURM_PROCID": "0"}
SRUN = BATCH | {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2"}
PMI2 = SRUN | {"PMI_SIZE": "2", "PMI_RANK": "0"}
HYDRA = SRUN | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "1", "PMI_SIZE": "2", "MPI_LOCALNRANKS": "2"}
PRTE = BATCH | {"OMPI_COMM_WORLD_SIZE": "2"}


@pytest.mark.parametrize("env", [SRUN, PMI2, HYDRA, PRTE])
def test_copies_that_think_they_are_alone_are_refused(env):
    with pytest.raises(UsageError, match="2 copies"):
        slurm.check(1, env)
    slurm.check(2, env)


@pytest.mark.parametrize("env", [{}, BATCH, SRUN | {"SLURM_STEP_NUM_TASKS": "1"}, PRTE | {"OMPI_COMM_WORLD_SIZE": "1"}])
def test_one_process_on_purpose_is_fine(env):
    slurm.check(1, env)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("9:58", 598), ("1:00:00", 3600), ("2-03:00:00", 183600), ("UNLIMITED", inf), ("INVALID", inf)],
)
def test_time_left_as_squeue_spells_it(text, seconds):
    assert slurm.duration(text) == seconds


def test_the_tighter_limit_counts_and_leaves_a_margin():
    env = {"SLURM_JOB_END_TIME": str(time.time() + 3600)}
    assert slurm.stop_after(0, env) == pytest.approx(3480, abs=2)
    assert slurm.stop_after(60, env) == 60
    assert slurm.stop_after(0, {}) == inf
    assert slurm.stop_after(5, {}) == 5
