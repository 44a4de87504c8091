"""A run that outlives its ranks: the trainer is entered again by those that are left."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from hpcfl.comm.communicator import Comm
from hpcfl.comm.survival import Survival, lost
from hpcfl.errors import HpcflError


@dataclass(frozen=True)
class Loss:
    """Who died since the last record.

    Attributes
    ----------
    ranks : list of int
        Their numbers when the run began.
    hosts : list of str
    noticed : float
        When, as `perf_counter` counts.
    """

    ranks: list[int]
    hosts: list[str]
    noticed: float


Attempt = Callable[[Loss | None], Iterator[dict[str, Any]]]


def outliving(attempt: Attempt, comm: Comm) -> Iterator[dict[str, Any]]:
    """Give the records of `attempt`, which is begun again without the ranks that died in it (collective).

    Every attempt ends with one agreement of all that are left: either they all came to its end, by
    success or by an error that they share, or they all leave the dead behind and begin again.

    Parameters
    ----------
    attempt : function from a loss, or None at first, to an iterator of records
    comm : Comm
        Shrinks in place.
    """
    survival, noticed = Survival(comm), 0.0
    while True:
        failed: BaseException | None = None
        try:
            loss = _regroup(survival, noticed) if noticed else None
            for record in attempt(loss):
                yield record
                survival.alive, noticed = comm.origin, 0.0
        except HpcflError as error:
            if not error.agreed:
                raise
            failed = error
        except Exception as error:
            if not lost(error):
                raise
            noticed = noticed or perf_counter()
        if survival.ended(not noticed):
            if failed:
                raise failed
            return
        noticed = noticed or perf_counter()
        survival.shrink()


def _regroup(survival: Survival, noticed: float) -> Loss:
    """Let the survivors find out who died, and say so (collective)."""
    gone = survival.regroup()
    if survival.comm.rank == 0:
        who = ", ".join(f"rank {rank} on {survival.hosts[rank]}" for rank in gone)
        print(f"hpcfl: {who} died; {survival.comm.size} ranks go on", file=sys.stderr, flush=True)
    return Loss(gone, [survival.hosts[rank] for rank in gone], noticed)
