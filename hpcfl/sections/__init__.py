"""The tables of a job file, one a file: their keys, defaults and meanings."""
