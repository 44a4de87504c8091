"""Sum vectors of float32 with mpi4py's Allreduce alone; print the median seconds of a sum on the slowest rank.

mpirun -n 2 python allreduce.py ELEMENTS
"""

import json
import sys
from time import perf_counter

import numpy as np
from mpi4py import MPI

comm = MPI.COMM_WORLD
mine = np.ones(int(sys.argv[1]), np.float32)
total = np.empty_like(mine)
taken = []
for _ in range(400):
    start = perf_counter()
    comm.Allreduce(mine, total, MPI.SUM)
    taken.append(perf_counter() - start)
slowest = comm.allreduce(float(np.median(taken[50:])), MPI.MAX)
if comm.rank == 0:
    print(json.dumps({"seconds": slowest}))
