"""Sweeps: one job file, a grid of values, several seeds."""
