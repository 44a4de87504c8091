"""Faults: a run is interrupted anywhere, and goes on to the same bits."""
