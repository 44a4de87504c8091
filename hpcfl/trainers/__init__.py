"""Trainers: the loops, where the parts meet; one file per mode, beside what the loops are made of."""
