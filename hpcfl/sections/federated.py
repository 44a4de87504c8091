"""``[federated]``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from hpcfl.schema import key, not_negative, part, positive
from hpcfl.sections.fits import together
from hpcfl.sections.timing import Asynchronous, Deadline, Hierarchy, Stragglers


@dataclass(frozen=True)
class Federated:
    """``[federated]``: clients, rounds and what they exchange."""

    clients: int = key(100, "clients that the rows are dealt to")
    partition: Any = part("partitions", "iid", "how rows are dealt to clients")
    clients_per_round: int = key(10, "clients drawn for a round")
    fraction: float = key(0.0, "clients drawn for a round, as a fraction; 0 uses clients_per_round")
    local_epochs: int = key(1, "passes over a client's rows in a round")
    local_steps: int = key(0, "steps of a client in a round; 0 uses local_epochs")
    batch_size: int | Literal["full"] = key(10, "rows of a client's step")
    client_test: float = key(0.0, "share of each client's rows that is kept for its own evaluation")
    client_validation: float = key(0.0, "share of each client's rows that is kept for validation")
    held_out_clients: int = key(0, "clients that are never trained on, to be evaluated on")
    strategy: Any = part("strategies", "fedavg", "what clients do and what the server does with it")
    aggregator: Any = part("aggregators", "mean", "how updates become one")
    server: Any = part(
        "optimizers", "sgd", "the server's optimizer; learning_rate 1 unless set", given={"learning_rate": 1.0}
    )
    sampler: Any = part("samplers", "uniform", "how a round's clients are drawn")
    dropout: float = key(0.0, "probability that a drawn client never answers")
    stragglers: Stragglers = field(default_factory=Stragglers)
    deadline: Deadline = field(default_factory=Deadline)
    asynchronous: Asynchronous = field(default_factory=Asynchronous)
    hierarchy: Hierarchy = field(default_factory=Hierarchy)
    clock: Any = part("clocks", "lognormal", "how long a client takes, in simulated seconds")
    attack: Any = part("attacks", "", "what some clients do to spoil the training, to test aggregators with")
    compressor: Any = part("compressors", "none", "how clients make their messages smaller")
    error_feedback: bool = key(False, "clients add what the compressor lost to their next message")
    weighting: Literal["", "rows", "one"] = key("", "weight of an update; the strategy's own unless set")
    state_memory: int = key(
        1 << 32, "bytes of clients' vectors that a node holds in memory: half to work on, half of what they keep"
    )
    exchange: Literal["reduce", "gather"] = key("reduce", "sum updates on their way, or gather them on rank 0")
    bound: float = key(64.0, "largest magnitude of a value in an update; a client past it is left out of the round")

    def __post_init__(self) -> None:
        for name in ("clients", "clients_per_round", "local_epochs", "bound", "state_memory"):
            positive(self, name)
        if isinstance(self.batch_size, int):
            positive(self, "batch_size")
        if not 0 <= self.fraction <= 1:
            raise ValueError(f"fraction = {self.fraction}: a value from 0 to 1 is needed")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout = {self.dropout}: a value from 0 to below 1 is needed")
        for name in ("local_steps", "client_test", "client_validation", "held_out_clients"):
            not_negative(self, name)
        if self.client_test + self.client_validation >= 1:
            raise ValueError(
                f"client_test = {self.client_test}, client_validation = {self.client_validation}: "
                "a sum below 1 is needed, so that rows are left to train on"
            )
        if self.strategy is not None:  # None: a job of another mode
            together(self)
