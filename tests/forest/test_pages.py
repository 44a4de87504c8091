"""Freed arrays leave the process."""

import platform
import subprocess
import sys

import pytest

CODE = """
import numpy as np
from hpcfl.forest.pages import give_back

def resident():
    return int(open("/proc/self/statm").read().split()[1]) >> 8  # MB

if {on}:
    give_back()
np.ones(3 << 20)  # freed: from now on glibc would keep smaller ones
arrays = [np.ones(1 << 18) for _ in range(40)]
full = resident()
del arrays[:-1]
print(full - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's way")
@pytest.mark.parametrize("on", [False, True])
def test_freed_arrays_are_given_back(on):
    done = subprocess.run([sys.executable, "-c", CODE.format(on=on)], capture_output=True, text=True, check=True)
    assert (int(done.stdout) > 60) is on
