"""Rows that clients keep back to be evaluated on, and clients that are never trained on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hpcfl.config import Job
from hpcfl.data import pick
from hpcfl.data.csr import CSR
from hpcfl.data.shard import Shard
from hpcfl.errors import UsageError
from hpcfl.seeding import stream

TRAIN, TEST, VALIDATION = range(3)


class Rows(NamedTuple):
    """Rows of this rank, by client.

    Attributes
    ----------
    shard : Shard
        Where they lie.
    rows : (m,) int32
        Row numbers of `shard`, client after client.
    starts : (clients + 1,) int64
        Where each client's rows start in `rows`; a client of another rank has none.
    """

    shard: Shard
    rows: np.ndarray
    starts: np.ndarray

    def of(self, client: int) -> Shard:
        """Return the rows of one client."""
        return pick.take(self.shard, self.rows[self.starts[client] : self.starts[client + 1]])

    def but(self, out: np.ndarray) -> Rows:
        """Return the same without the rows of the clients that `out` (clients,) marks."""
        keep = np.repeat(~out, np.diff(self.starts))
        return Rows(self.shard, self.rows[keep], np.concatenate([[0], np.cumsum(np.diff(self.starts) * ~out)]))


def group(shard: Shard, client: np.ndarray, clients: int) -> Rows:
    """Group the rows of `shard` by `client` (n,), -1 being nobody's."""
    order = np.argsort(client, kind="stable")
    counts = np.bincount(client[client >= 0], minlength=clients)
    return Rows(shard, order[(client < 0).sum() :].astype(np.int32), np.concatenate([[0], np.cumsum(counts)]))


class Parts(NamedTuple):
    """A rank's rows by what they are for.

    Attributes
    ----------
    order : (n,) int64
        In which they are to lie: what follows is numbered by the places in it.
    first : int
        That many rows the global model is trained on; they come first.
    train : Rows
        What clients train on, and clients that are held out may tune a model on.
    tested, validated : Rows
        Rows that clients keep back.
    """

    order: np.ndarray
    first: int
    train: Rows
    tested: Rows
    validated: Rows


def part(job: Job, shard: Shard, client: np.ndarray, out: np.ndarray) -> Parts:
    """Part the rows of `shard`.

    Parameters
    ----------
    client : (n,) int64
        Whose each row is; -1 is nobody's.
    out : (clients,) bool
        Clients that are held out.
    """
    role = roles(job, group(shard, client, out.size))
    first = (role == TRAIN) & ~np.append(out, False)[client]  # -1 finds the False
    order = np.argsort(~first, kind="stable") if not isinstance(shard.x, CSR) else np.arange(shard.rows)
    client, role = client[order], role[order]
    each = (group(shard, np.where(role == what, client, -1), out.size) for what in (TRAIN, TEST, VALIDATION))
    return Parts(order, int(first.sum()), *each)


def roles(job: Job, own: Rows) -> np.ndarray:
    """Return what each row is for, (n,): `TRAIN`, `TEST` or `VALIDATION`.

    A client's shares are rounded to rows; at least one row is left to train on.
    """
    fed, role = job.federated, np.full(own.shard.rows, TRAIN)
    for c in np.flatnonzero(np.diff(own.starts)).tolist() if fed.client_test or fed.client_validation else ():
        rows = own.rows[own.starts[c] : own.starts[c + 1]]
        rows = rows[stream(job.seed, "client rows", c).permutation(rows.size)]
        test = min(round(rows.size * fed.client_test), rows.size - 1)
        validation = min(round(rows.size * fed.client_validation), rows.size - 1 - test)
        role[rows[:test]] = TEST
        role[rows[test : test + validation]] = VALIDATION
    return role


def held_out(job: Job, clients: int) -> np.ndarray:
    """Return which clients are never trained on, (clients,) bool."""
    out, count = np.zeros(clients, bool), job.federated.held_out_clients
    if count >= clients:
        raise UsageError(f"federated.held_out_clients = {count}: of {clients} clients one must be left to train on")
    out[stream(job.seed, "held out clients").choice(clients, count, replace=False)] = True
    return out
