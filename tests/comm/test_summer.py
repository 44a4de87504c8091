"""Sums through shared memory equal MPI's, on one node and on several."""

import numpy as np

PROGRAM = """
import numpy as np
from mpi4py import MPI
from hpcfl.comm.communicator import Comm, world
from hpcfl.comm.summer import SMALL, Allreduce, EachSum, SharedSum, summer
comm = world()
for size in {sizes}:
    nodes = [None, Comm(comm.mpi.Split(comm.rank // {node}, comm.rank))]  # the second: as if nodes had so many ranks
    for node in nodes:
        ours, plain = summer(comm, size, np.dtype(np.float64), node), Allreduce(comm, size, np.dtype(np.float64), "gradient")
        one = node is None or node.size == comm.size
        kind = EachSum if one and size * comm.size <= SMALL else SharedSum if one or size >= 2048 else Allreduce
        assert type(ours) is (kind if one or comm.size % {node} == 0 else Allreduce), (size, type(ours))
        for step in range(4):
            rng = np.random.default_rng([step, comm.rank])
            ours.mine[:] = plain.mine[:] = rng.integers(-99, 99, size)
            some = (None, size, size // 3 + 1, size)[step]
            ours.finish(some)
            plain.finish(some)
            assert np.abs(ours.total).sum() > 0
            assert (ours.total[:some] == plain.total[:some]).all(), (size, step)
"""


def test_equals_allreduce(mpirun):
    mpirun(2, PROGRAM.format(sizes=(7, 2048, 100_001), node=2))
    mpirun(3, PROGRAM.format(sizes=(5001, 70_001), node=2))
    mpirun(4, PROGRAM.format(sizes=(5001, 70_001), node=2))


def test_kernel_adds_rows_in_order():
    from hpcfl.kernels.sums import add_rows

    rows = np.random.default_rng(0).standard_normal((5, 10_001)).astype(np.float32)
    around = np.zeros(9_003, np.float32)
    add_rows(rows, 3, 9_000, around[3:9_000])
    assert np.array_equal(around[3:9_000], np.add.reduce(rows[:, 3:9_000], axis=0))
    assert (around[[0, 1, 2, -1, -2, -3]] == 0).all()
