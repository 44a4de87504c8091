"""Optimizers: gradient -> parameter update."""
