"""Read a dataset with h5py alone, each rank its part in runs of 1 MiB, twice; print the seconds of the second time.

mpirun -n 2 python read_direct.py FILE
"""

import json
import sys
from time import perf_counter

import h5py
import numpy as np
from mpi4py import MPI

comm = MPI.COMM_WORLD
spent = 0.0
with h5py.File(sys.argv[1], "r", locking=False) as file:
    x = file["x"]
    first, last = (x.shape[0] * r // comm.size for r in (comm.rank, comm.rank + 1))
    step = max((1 << 20) // (x.shape[1] * x.dtype.itemsize), 1)
    out = np.empty((step, x.shape[1]), x.dtype)
    for _ in range(2):
        comm.Barrier()
        start = perf_counter()
        for a in range(first, last, step):
            b = min(a + step, last)
            x.read_direct(out, np.s_[a:b], np.s_[: b - a])
        comm.Barrier()
        spent = perf_counter() - start
if comm.rank == 0:
    print(json.dumps({"seconds": spent}))
