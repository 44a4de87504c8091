"""Communication: the only home of mpi4py."""

import os

import mpi4py

# Where ranks may outlive others, MPI is ended by `heart.finish`; mpi4py reads this when it starts, and leaves it be.
if any(name == "OMPI_MCA_mpi_ft_enable" and value in ("1", "true") for name, value in os.environ.items()):
    mpi4py.rc.finalize = False
