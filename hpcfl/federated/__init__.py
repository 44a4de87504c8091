"""Federated rounds: what a client does, said as data, and what the server makes of it."""
