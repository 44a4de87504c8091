"""hpcfl: distributed and federated training over MPI, Numba and HDF5."""

__version__ = "0.1.0"
