"""hpcfl: distributed and federated training over MPI, Numba and HDF5."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__version__ = "0.1.0"
__all__ = ["rounds", "train"]


def train(job: Any, comm: Any = None, overwrite: bool = False, resume: str = "") -> dict[str, Any]:
    """Train a job and return its last record, test metrics included.

    Parameters
    ----------
    job : path or dict
        A job file, or the table it would hold.
    comm : mpi4py communicator, optional
        The ranks; all that the launcher started unless given.
    overwrite : bool
        Whether a run that is already in the run directory may be removed.
    resume : {"", "must", "auto"}
        Whether to go on from its newest checkpoint; "auto" starts anew if there is none.
    """
    record: dict[str, Any] = {}
    for record in rounds(job, comm, overwrite, resume):
        pass
    return record


def rounds(job: Any, comm: Any = None, overwrite: bool = False, resume: str = "") -> Iterator[dict[str, Any]]:
    """Train a job step by step: one record an epoch, round or iteration; arguments as `train`."""
    from hpcfl import config
    from hpcfl.comm import slurm
    from hpcfl.comm.communicator import wrap
    from hpcfl.trainers.run import records

    ranks = wrap(comm)
    if comm is None:
        slurm.check(ranks.size)
    with ranks.together("reading the job file"):
        resolved = config.load(job)
    yield from records(resolved, ranks, overwrite, resume)
    if ranks is not comm and ranks.size == ranks.started:  # MPI has 2,000 communicators; those of dead ranks stay
        ranks.free()
