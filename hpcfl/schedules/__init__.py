"""Schedules: how the learning rate changes."""
