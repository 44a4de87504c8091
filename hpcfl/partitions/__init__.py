"""Partitions: which rows each client holds."""
