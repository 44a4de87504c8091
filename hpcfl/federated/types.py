"""A client's work and its message, said as data (the interface of every strategy)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

Vectors = dict[str, np.ndarray]


class Run(NamedTuple):
    """One local solve; the texts name vectors of the bank.

    Attributes
    ----------
    start, out : str
        It begins at ``bank[start]`` and leaves its end in ``bank[out]``.
    anchor, mu : str, float
        Pull ``mu (x - anchor)``, applied after the optimizer, as FedNova's authors do.
    follow, inner : float, int
        After `inner` steps on one batch ``anchor += follow (x - anchor)``; the anchor is then
        a vector of the client's own, and moves in place (pFedMe).
    drift : str
        Vector added to the gradient (SCAFFOLD, FedDyn).
    ref : str
        The gradient at ``bank[ref]`` on the same batch is subtracted (MIME).
    look : float
        The gradient is taken at ``x - look * gradient``, on the next batch (Per-FedAvg).
    part : tuple of str
        Names of the layout that move; () is all (FedRep).
    steps : int
        Steps to take; 0 is as many as the round gives the client.
    """

    start: str = "w"
    out: str = "x"
    anchor: str = "w"
    mu: float = 0.0
    follow: float = 0.0
    inner: int = 1
    drift: str = ""
    ref: str = ""
    look: float = 0.0
    part: tuple[str, ...] = ()
    steps: int = 0


class Part(NamedTuple):
    """One piece of a client's message.

    Attributes
    ----------
    name : str
    size : {"w", "1"}
        As long as the model, or one number.
    weight : {"rows", "one"}
        How its mean weighs the clients, unless ``federated.weighting`` says otherwise.
    robust : bool
        May pass through an aggregator other than the mean.
    """

    name: str
    size: str = "w"
    weight: str = "rows"
    robust: bool = False


class Me(NamedTuple):
    """What a strategy may know of the clients it works for, each of shape (clients, 1).

    Attributes
    ----------
    id : int64
    rows : float64
        Training rows.
    steps : float64
        Steps this round.
    path : float64
        End of the ghost coordinate, whose gradient is always 1: the sum of step sizes, with
        momentum, pull and schedule (0 before training; linear optimizers only).
    loss : (clients, models) float64
        Mean loss over the client's rows at each of the server's models, if `probe` asks for it.
    rate : float
        Local learning rate of this round.
    """

    id: np.ndarray
    rows: np.ndarray
    steps: np.ndarray
    path: np.ndarray
    loss: np.ndarray
    rate: float


class Strategy:
    """What a federated algorithm is: federated averaging, and what a subclass says otherwise.

    One frozen dataclass per file of ``strategies``. All of a rank's clients are worked on at
    once: ``bank[name]`` is (P,) for what the server told and (clients, P) for what is a client's
    own, so that plain NumPy expressions serve any number of clients. ``bank[name] = value``
    makes or fills a client vector; ``bank.make(name)`` is one for NumPy's `out`.

    Attributes
    ----------
    keeps : dict
        Client vectors that persist -> ``"zeros"`` or ``"w"`` at first use.
    told : tuple of str
        Server vectors that are broadcast with ``w``.
    sends : tuple of Part
    asks : tuple of Part
        What clients send in an exchange before they train; () is none (MIME).
    probe : tuple of str
        What clients measure first, over all their rows: ``"loss"`` at each model of the server,
        ``"gradient"`` at ``w``, which lands in ``bank["gradient"]``.
    optimizer : {"any", "linear"}
        Local optimizers that it is valid for.
    personal : str
        Vector that is a client's own model once `client` was called; "" if there is none.
    """

    keeps: ClassVar[Mapping[str, str]] = {}
    told: ClassVar[tuple[str, ...]] = ()
    sends: ClassVar[tuple[Part, ...]] = (Part("dw", robust=True),)
    asks: ClassVar[tuple[Part, ...]] = ()
    probe: ClassVar[tuple[str, ...]] = ()
    optimizer: ClassVar[str] = "any"
    personal: ClassVar[str] = ""

    def start(self, w: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the server's first model (P,), or several (models, P), from the job's first `w`."""
        return w

    def init(self, w: np.ndarray) -> Vectors:
        """Return the server's vectors beside ``w``, of its length P."""
        return {}

    def local(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of the layout's `names` that never leave a client."""
        return ()

    def choose(self, me: Me) -> np.ndarray:
        """Return which of the server's models is each client's ``w``, (clients,) int64."""
        return np.zeros(len(me.id), np.int64)

    def answer(self, bank: Any, me: Me, out: Vectors) -> None:
        """Write ``out[part.name]`` of the parts of `asks`."""

    def hear(self, server: Vectors, got: Vectors) -> None:
        """Take the combined answers in; what is `told` is told anew before clients train."""

    def client(self, bank: Any, me: Me) -> tuple[Run, ...]:
        """Fill vectors of the bank and return the local runs."""
        return (Run(),)

    def message(self, bank: Any, me: Me, out: Vectors) -> None:
        """Write ``out[part.name]``, (clients, size); change kept vectors (undone if rejected)."""
        np.subtract(bank["x"], bank["w"], out=out["dw"])

    def combine(self, server: Vectors, got: Vectors, share: float, rate: float) -> np.ndarray:
        """Return the direction that the server's optimizer follows, of the shape of its ``w``.

        Parameters
        ----------
        server : dict
            ``w`` (to read) and what `init` returned (to change in place).
        got : dict
            The combined message, part by part; with several models (models, size) each, zero
            for a model that nobody chose.
        share : float
            Accepted clients / all clients.
        rate : float
            Local learning rate of the round.
        """
        return got["dw"]

    def warm(self, w: np.ndarray) -> None:
        """Compile what the other methods call that has to be, for vectors like `w` (P,)."""

    def tune(self, bank: Any, rate: float) -> tuple[Run, float]:
        """Return the run, ending in ``"tuned"``, and its rate by which a client makes a model its own."""
        return Run(start=self.personal or "w", out="tuned"), rate
