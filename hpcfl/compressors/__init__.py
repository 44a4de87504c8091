"""Compressors: vector -> smaller message -> vector."""
