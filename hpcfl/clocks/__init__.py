"""Clocks: how long a client takes, in simulated time."""
