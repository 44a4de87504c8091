"""Communication: the only home of mpi4py."""
