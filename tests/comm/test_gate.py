"""No rank leaves the gate before all have come to it."""

import time

import numpy as np
import pytest

from hpcfl.comm.communicator import alone
from hpcfl.comm.gate import LINE, Gate
from hpcfl.kernels import gate

PROGRAM = """
import time
import numpy as np
from hpcfl.comm.communicator import world
from hpcfl.comm.gate import Gate
from hpcfl.comm.window import shared
comm = world()
node = comm.on_node()
gate, said = Gate(node), shared(node, (2, node.size), np.int64)
for turn in range(1, {turns}):
    if turn % 500 == comm.rank:  # late enough for the others to look after other things
        time.sleep(0.05)
    said[turn % 2, comm.rank] = turn  # others may still read those of the turn before
    gate.meet()
    assert (said[turn % 2] == turn).all(), (turn, said)
"""


@pytest.mark.parametrize(("ranks", "turns"), [(2, 20_000), (3, 2000), (4, 2000), (5, 1000)])
def test_none_leaves_before_all_have_come(mpirun, ranks, turns):
    mpirun(ranks, PROGRAM.format(turns=turns))


def test_the_kernel_comes_back_if_others_do_not():
    words = np.zeros((2, 3, LINE), np.int64)
    start = time.perf_counter()
    assert not gate.meet(words, 0, 1)
    assert time.perf_counter() - start < 5
    words[0, 2, 0] = words[1, 1, 0] = 1  # those that rank 0 hears: one place and two before it
    assert gate.meet(words, 0, 1)
    assert words[:, 0, 0].tolist() == [1, 1]
    assert not gate.meet(words, 0, 2)


def test_one_rank_waits_for_nobody():
    Gate(alone()).meet()


def test_a_rank_that_does_not_come_is_named(mpirun):
    code = """
import time
from hpcfl.comm.communicator import world
from hpcfl.comm.gate import Gate
from hpcfl.comm.watchdog import watch
comm = world()
gate = Gate(comm.on_node())
with watch(comm, 2.0):
    if comm.rank == 1:
        time.sleep(60)
    gate.meet()
"""
    done = mpirun(2, code, check=False, timeout=50)
    assert done.returncode in (5, 9)  # as in test_watchdog
    assert "rank 1 on " in done.stderr
    assert "kept the others waiting" in done.stderr
