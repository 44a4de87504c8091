"""Strategies: what a client is told, what it sends, what the server does with the mean."""
