"""Which parts of a federation go together."""

from __future__ import annotations

from typing import Any

from hpcfl import schema


def together(fed: Any) -> None:
    """Raise ValueError if parts of a federation do not go together (the one rule of what fits)."""
    rule, name = fed.aggregator, schema.name_of(fed.aggregator)
    if not rule.stack:
        return
    for sent in fed.strategy.sends:
        if not sent.robust:
            raise ValueError(
                f"aggregator = '{name}': strategy '{schema.name_of(fed.strategy)}' also sends '{sent.name}', "
                "which only a mean can combine; use 'mean'"
            )
    if not fed.fraction and fed.clients_per_round < rule.needs():
        raise ValueError(
            f"aggregator = '{name}': {rule.needs()} or more clients a round are needed, "
            f"clients_per_round is {fed.clients_per_round}"
        )
