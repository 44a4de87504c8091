"""SLURM: what its variables mean, and its scripts run for real."""
