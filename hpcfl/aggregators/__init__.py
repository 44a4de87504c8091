"""Aggregators: many client updates -> one."""
