"""Data: the only home of h5py."""
