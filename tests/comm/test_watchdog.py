"""A rank that stops answering is named, and nobody waits for ever."""

import re
import sys
import threading
import time

import pytest

from hpcfl import config
from hpcfl.comm import watchdog
from tests.conftest import launcher

needs_mpich = pytest.mark.skipif("--oversubscribe" in launcher(), reason="its launcher can be told to miss deaths")
GIVEN_UP = (5, 9)  # MPICH may tell that it had to kill a rank, instead of what the ranks said
CODE = """
import os, signal, time
import numpy as np
from hpcfl.comm.communicator import world
from hpcfl.comm.watchdog import watch
comm = world()
with watch(comm, 2.0):
    comm.sum(np.ones(3))
    if comm.rank == {rank}:
        time.sleep(0.5)
        {fault}
    comm.sum(np.ones(3))
{after}
"""


@pytest.mark.parametrize("rank", [0, 1])
def test_a_stopped_rank_is_named(mpirun, rank):
    # The others do not wait for it: with them waiting, either limit may be passed first.
    stop = "os.kill(os.getpid(), signal.SIGSTOP)\n    else:\n        time.sleep(40)"
    done = mpirun(3, CODE.format(rank=rank, fault=stop, after=""), check=False, timeout=50)
    assert f"rank {rank} on " in done.stderr
    assert "was not heard of for 2 s" in done.stderr
    assert "Thread 0x" in done.stderr  # the stack dump
    assert done.returncode in GIVEN_UP


@needs_mpich
@pytest.mark.parametrize("rank", [0, 1])
def test_a_dead_rank_is_named_when_the_launcher_missed_it(mpirun, rank):
    code = CODE.format(rank=rank, fault="os._exit(1)", after="").replace("2.0", "10.0")
    began = time.monotonic()
    done = mpirun(2, code, check=False, timeout=50, launch=("-disable-auto-cleanup",))
    assert f"rank {rank} on " in done.stderr
    assert "died, and the launcher did not notice" in done.stderr
    assert done.returncode not in (0, 75)
    assert time.monotonic() - began < 15


def test_a_rank_that_does_not_come_is_named(mpirun):
    done = mpirun(3, CODE.format(rank=2, fault="time.sleep(60)", after=""), check=False, timeout=50)
    assert "rank 2 on " in done.stderr
    assert "kept the others waiting" in done.stderr
    assert "rank 2 outside hpcfl" in done.stderr
    assert done.returncode in GIVEN_UP


def test_long_work_of_all_ranks_is_left_alone(mpirun):
    code = CODE.format(rank=-1, fault="pass", after="time.sleep(3); comm.barrier()")
    busy = code.replace("    comm.sum(np.ones(3))\n    if", "    time.sleep(3)\n    comm.sum(np.ones(3))\n    if")
    mpirun(2, busy, timeout=50)


def test_it_takes_no_time_of_its_own(mpirun):
    """While ranks train a watchdog only waits for words, also while one lies there that it did not read yet."""
    code = """
import time
from hpcfl.comm.communicator import world
from hpcfl.comm.watchdog import watch
comm = world()
with watch(comm, 2.0):
    before = time.process_time()
    time.sleep(3)
    spent = time.process_time() - before
    assert comm.max(spent, "seconds") < 0.5
"""
    mpirun(2, code, timeout=50)


def test_a_place_is_told_without_the_frames_of_another_thread(monkeypatch):
    """CPython 3.11 crashes now and then where a thread looks at the frames of one that runs."""
    found = []

    def ask(*_):
        spy = threading.Thread(target=lambda: found.append(watchdog.where(threading.main_thread().ident)))
        spy.start()
        spy.join()

    monkeypatch.setattr(sys, "_current_frames", None)
    monkeypatch.setattr(config.schema, "read", ask)
    config.load({})
    assert re.fullmatch(r"at config.py:\d+ load", found[0])
