"""What rides on a message: a block that fails is told of with it, and raised on all ranks then."""

import numpy as np
import pytest
from mpi4py import MPI

from hpcfl.comm.agreement import Rider
from hpcfl.errors import DataError


def fail(error):
    raise error


def tell(rider):
    out = np.zeros(2, np.int64)
    rider.tell(out)
    return out


def test_a_block_that_works_gives_its_result_and_nothing_is_raised():
    rider = Rider(MPI.COMM_SELF, True)
    assert rider.run("working", lambda: 7) == 7
    told = tell(rider)
    assert told.tolist() == [0, 1]
    rider.settle(told)


def test_after_a_failure_no_block_runs_and_its_error_is_raised_at_the_end():
    rider = Rider(MPI.COMM_SELF)
    assert rider.run("reading", lambda: fail(DataError("no such row"))) is None
    assert rider.run("working", lambda: fail(AssertionError("this block is not run"))) is None
    assert tell(rider)[0] > 0
    with pytest.raises(DataError, match=r"^no such row$") as raised:
        rider.settle(tell(rider))
    assert raised.value.agreed


def test_a_failure_elsewhere_stops_the_blocks_that_follow():
    rider = Rider(MPI.COMM_SELF)
    rider.known = np.array([1, 0])
    assert rider.run("moving", lambda: fail(AssertionError("this block is not run"))) is None


CODE = """
import numpy as np
from mpi4py import MPI
from hpcfl.comm.agreement import Rider
from hpcfl.errors import HpcflError
comm = MPI.COMM_WORLD
rider = Rider(comm, comm.rank == 0)
rider.run("working", lambda: 1 // (1 - comm.rank))
total = rider.own.copy()
comm.Allreduce(MPI.IN_PLACE, total)
assert total.tolist() == [1, 1], total
try:
    rider.settle(total)
except HpcflError as error:
    assert "ZeroDivisionError on rank 1 while working" in str(error), error
    print("raised", flush=True)
"""


def test_all_ranks_raise_the_error_of_the_one_that_has_it(mpirun):
    assert mpirun(2, CODE).stdout.count("raised") == 2
