"""Arithmetic: the only home of numba. Arrays in, outputs last, no allocation on hot paths."""
