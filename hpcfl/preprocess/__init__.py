"""Preparing rows: statistics that sum over ranks, so that no row leaves one."""
