"""Open MPI's ULFM needs care: a thread that feeds its failure detector while a rank computes, and an end of our own."""

from __future__ import annotations

import atexit
import os
import threading

from mpi4py import MPI

PERIOD = 0.1  # seconds; far below any timeout of the detector


def enabled() -> bool:
    """Return whether the launcher was told to let ranks outlive others (mpirun --with-ft ulfm)."""
    return _set("mpi_ft_enable")


def detects() -> bool:
    """Return whether ranks that leave by exit or stop are noticed too, not only those that a signal kills."""
    return _set("mpi_ft_detector")


def start() -> None:
    """Start the thread, once a process, if the launcher's detector needs one.

    MPI sends its heartbeats from within MPI calls alone: a rank that computes for long would be
    taken for dead. The detector's own thread would do, but with it MPI_Finalize does not return.
    """
    if not detects() or any(thread.name == "heart" for thread in threading.enumerate()):
        return
    done = threading.Event()

    def beat() -> None:
        while not done.wait(PERIOD):
            MPI.COMM_SELF.Iprobe()

    thread = threading.Thread(target=beat, name="heart", daemon=True)
    thread.start()

    def end() -> None:
        done.set()
        thread.join()

    atexit.register(end)  # MPI is finalized after Python's own exit handlers


def finish() -> None:
    """End MPI, unless a rank died: Open MPI's end then waits for ever, once in twenty times, and mpirun needs none."""
    if not MPI.Is_finalized() and not MPI.COMM_WORLD.Get_failed().size:
        MPI.Finalize()


def _set(parameter: str) -> bool:
    return os.environ.get(f"OMPI_MCA_{parameter}") in ("1", "true")


if enabled():
    atexit.register(finish)  # the last of all handlers, since the first one that is registered
