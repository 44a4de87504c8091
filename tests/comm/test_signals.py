"""Signals set a flag; the second INT ends the process."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from hpcfl.comm.signals import StopFlag


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_sets_the_flag_and_the_old_handler_comes_back(number):
    before = signal.getsignal(number)
    with StopFlag() as stop:
        assert not stop.raised
        os.kill(os.getpid(), number)
        assert stop.raised
        assert stop.reason == number.name
    assert signal.getsignal(number) is before


def test_the_second_int_stops_at_once():
    code = "import os, signal\nfrom hpcfl.comm.signals import StopFlag\nwith StopFlag():\n" + (
        "    os.kill(os.getpid(), signal.SIGINT); print('on', flush=True)\n" * 2
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == -signal.SIGINT
    assert done.stdout == "on\n"


def test_the_time_limit():
    with StopFlag(0.05) as stop:
        assert not stop.raised
        time.sleep(0.06)
        assert stop.raised
        assert stop.reason == "the time limit"


def test_outside_the_main_thread_nothing_is_installed():
    found = []
    thread = threading.Thread(target=lambda: found.append(StopFlag().__enter__().raised))
    thread.start()
    thread.join()
    assert found == [False]
