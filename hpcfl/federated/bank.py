"""The vectors of a round by name: what the server told, and what is each client's own."""

from __future__ import annotations

import numpy as np

from hpcfl.federated.room import Room
from hpcfl.federated.types import Run
from hpcfl.kernels.tables import NONE, Plan
from hpcfl.layout import Layout

SPARE = 6  # vectors a strategy may make beside those it keeps


class Bank:
    """``bank[name]`` is (P,) if the server told it, (clients, P) if it is the clients' own.

    Parameters
    ----------
    told : dict of str to int
        Row of `shared` of each told vector.
    shared : (vectors, P)
    clients, keeps : int
        Clients of this rank; vectors they keep.
    layout : Layout
        Of the vectors.
    local : tuple of str
        Names of the layout that never leave a client.
    room : Room, optional
        Where the clients' vectors lie.

    Attributes
    ----------
    own_names : tuple of str
        `local`.
    """

    def __init__(
        self,
        told: dict[str, int],
        shared: np.ndarray,
        clients: int,
        keeps: int,
        layout: Layout,
        local: tuple[str, ...] = (),
        room: Room | None = None,
    ) -> None:
        self.told, self.shared, self.layout = told, shared, layout
        self.own_names = local
        self.names: dict[str, int] = {}
        self.own = (room or Room()).take((keeps + SPARE, clients, shared.shape[1]), shared.dtype)

    @property
    def shared_names(self) -> tuple[str, ...]:
        """The layout's names that are not `local`."""
        return tuple(name for name in self.layout.shapes if name not in self.own_names)

    @property
    def stays(self) -> np.ndarray:
        """Coordinates that never leave a client, (P,) bool."""
        return self.layout.mask(self.own_names)

    def __getitem__(self, name: str) -> np.ndarray:
        return np.asarray(self.shared[self.told[name]] if name in self.told else self.own[self.names[name]])

    def __setitem__(self, name: str, value: np.ndarray) -> None:
        self.own[self.place(name)] = value

    def make(self, name: str) -> np.ndarray:
        """Return a client vector (clients, P) to be filled, as by NumPy's `out`; made if there is none."""
        return np.asarray(self.own[self.place(name)])

    def place(self, name: str) -> int:
        """Return the place in `own` of a client vector, made if there is none."""
        if name in self.told:
            raise ValueError(f"'{name}' is told by the server, a client cannot change it")
        if name not in self.names and len(self.names) == len(self.own):
            raise ValueError(f"'{name}': a strategy may make {SPARE} client vectors beside those it keeps")
        return self.names.setdefault(name, len(self.names))

    def number(self, name: str) -> int:
        """Return the number by which the kernels know a vector; `NONE` for ""."""
        return NONE if not name else -1 - self.told[name] if name in self.told else self.names[name]

    def plan(self, runs: tuple[Run, ...]) -> Plan:
        """Return the kernels' table of `runs`, whose ends have a place."""
        names = [(r.start, r.out, r.anchor, r.drift, r.ref) for r in runs]
        rows = [[*map(self.number, n), r.inner, r.steps] for n, r in zip(names, runs, strict=True)]
        numbers = [[r.mu, r.follow, r.look] for r in runs]
        still = [
            (i, a, b)
            for i, r in enumerate(runs)
            if r.part
            for name, (a, b) in self.layout.ranges().items()
            if name not in r.part
        ]
        return Plan(np.array(rows, np.int64), np.array(numbers, np.float64), np.array(still, np.int64).reshape(-1, 3))
