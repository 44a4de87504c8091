"""Federated averaging (McMahan et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

from hpcfl.federated.types import Strategy


@dataclass(frozen=True)
class FedAvg(Strategy):
    """Clients train from the global model; the server moves it by the mean of their updates.

    Which is what a `Strategy` is that says nothing else.
    """
