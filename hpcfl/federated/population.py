"""Clients and the rows that they hold: simulated (dealt from one table) or one file per silo."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from glob import glob
from typing import Any

import numpy as np

from hpcfl import machine
from hpcfl.comm.communicator import Comm, alone
from hpcfl.config import Job
from hpcfl.data import pick, shard
from hpcfl.data.common import load_once, size_of
from hpcfl.data.csr import CSR
from hpcfl.data.names import digest
from hpcfl.data.plan import Plan, even
from hpcfl.data.shard import Shard, Shards
from hpcfl.data.table import Table, open_table
from hpcfl.errors import DataError, UsageError
from hpcfl.federated import held
from hpcfl.federated.held import Parts
from hpcfl.seeding import stream


@dataclass(frozen=True)
class Population:
    """Who there is, and which rows lie on this rank.

    Attributes
    ----------
    shards : Shards
        Rows of this rank; the plan tells of the rows that the model is trained on, the first
        ones of ``shards.train``.
    counts : (clients,) int64
        Training rows of every client, known to all ranks; 0 for one that is held out.
    sizes : (clients,) int64
        The same, with the rows on which clients that are held out may tune a model.
    own : Parts
        The rows of ``shards.train`` by client and by what they are for.
    owner : (clients,) int64
        The rank that alone may run a client; -1 if any may.
    comm : Comm
        The ranks over which the rows are one data set: all, or in a simulation this one.
    files : tuple of str
        Where this rank's rows came from.
    lost : int64 array
        Silos of ranks that died: clients without rows from then on.
    """

    shards: Shards
    counts: np.ndarray
    sizes: np.ndarray
    own: Parts
    owner: np.ndarray
    comm: Comm
    files: tuple[str, ...]
    lost: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        """Row numbers of ``shards.train`` that clients train on, client after client, (m,) int32."""
        return self.own.train.rows

    @property
    def starts(self) -> np.ndarray:
        """Where each client's start in `rows`, (clients + 1,) int64; a client of another rank has none."""
        return self.own.train.starts


def load(job: Job, comm: Comm) -> Population:
    """Read the clients' rows (collective)."""
    train = job.data.train
    return silos(job, train, comm) if isinstance(train, str) and "{client}" in train else simulated(job, comm)


def simulated(job: Job, comm: Comm) -> Population:
    """Deal the rows of one table to clients; a node holds them once, and each rank tests its share (collective)."""
    with comm.together("opening the data"):
        size, most = size_of(open_table(job.data.train, job.data.x, job.data.y, job.data.task)), machine.memory()
        if size > most:
            raise UsageError(
                f"{job.data.train}: {size} bytes of rows, a node of a simulation holds all of them "
                f"and has {most} bytes of memory; use silos"
            )
    node, solo = comm.on_node(), alone()
    first = node.bcast(np.array([comm.rank], np.int64), purpose="nodes")
    nodes = np.unique(comm.allgather(first, "nodes"))
    shards = load_once(job.data, job.seed, job.model.dtype, node)
    client = np.empty(shards.total, np.int64)
    with comm.together("dealing rows to clients"):
        if comm.rank == 0:
            client[:] = owners(job, shards)
    comm.bcast(client, purpose="clients")
    rule = job.federated.partition
    clients = int(client.max()) + 1 if rule.counts_clients else job.federated.clients
    with comm.together("dealing rows to clients"):
        if node.rank == 0 and hasattr(rule, "disturb"):
            _named(rule.disturb, shards.train.x, client, clients, stream(job.seed, "disturb"))
        out = held.held_out(job, clients)
        own = held.part(job, shards.train, client, out)
        if node.rank == 0 and own.first < client.size and not isinstance(shards.train.x, CSR):
            pick.reorder(shards.train, own.order)
    node.barrier()
    sizes = np.diff(own.train.starts)
    test = _slice(shards.test, int(np.searchsorted(nodes, first[0])), nodes.size)
    shards = replace(shards, test=test, total=own.first, plan=even(own.first, 1))
    counts, owner = np.where(out, 0, sizes), np.full(clients, -1)
    return Population(shards, counts, sizes, own, owner, solo, shards.table.files, client[:0])


def owners(job: Job, shards: Shards) -> np.ndarray:
    """Return the client of each of all training rows, (n,) int64; -1 is nobody's."""
    rule, ids = job.federated.partition, shards.train.ids

    def column(name: str) -> np.ndarray:
        if name == "x":
            return _dense(shards.train.x)
        if not shards.table.has(name):
            raise DataError(f"{shards.table.files[0]}: no dataset '{name}' to deal rows by; see federated.partition")
        return np.asarray(shards.table.column(name, 0, shards.table.rows)[ids])

    y = shards.train.y[:, 0]
    label = y.astype(np.int64) if shards.classes else np.zeros(len(y), np.int64)
    found = _named(rule.deal, label, job.federated.clients, stream(job.seed, "partition"), column)
    return np.asarray(found, np.int64)


def _named(call: Any, *given: Any) -> Any:
    """Call a partition; what it refuses names its key."""
    try:
        return call(*given)
    except ValueError as error:
        raise UsageError(f"federated.partition.{error}") from None


def _dense(x: Any) -> np.ndarray:
    if isinstance(x, CSR):
        raise UsageError("federated.partition: it looks at the features, of which CSR rows have too many; use another")
    return np.asarray(x)


def silos(job: Job, pattern: str, comm: Comm) -> Population:
    """Read one file per client, each by one rank, neighbours together (collective).

    A rank that died takes its silos along: no other opens their files.
    """
    with comm.together("opening the silos"):
        paths = find(pattern)
        if len(paths) < comm.started:
            raise UsageError(f"{len(paths)} silos for {comm.started} ranks: start at most {len(paths)} ranks")
        cuts = runs(np.array([os.path.getsize(p) for p in paths]), comm.started)
        mine = slice(*cuts[comm.born : comm.born + 2])
        solo, test_file = alone(), _test_file(job)
        own_test = "none" if test_file else job.data.test
        data = [replace(job.data, train=p, test=own_test) for p in paths[mine]]
        read = [shard.load(d, job.seed, job.model.dtype, solo) for d in data]
    heads = np.array([[s.table.features, s.classes] for s in read], np.int64)
    classes = int(comm.max(float(heads[:, 1].max())))
    with comm.together("comparing the silos"):
        if len({(s.table.features, s.table.kind, s.table.dtype) for s in read}) > 1:
            raise DataError(f"{pattern}: the files differ in features, kind or dtype; silos of a job are alike")
        told = [digest(s.table.attrs) for s in read]
    one = told[0] if len(set(told)) == 1 else -1 - comm.rank
    width, names = comm.allgather(np.array([heads[0, 0], one]), "counts").T
    with comm.together("comparing the silos"):
        if (width != width[0]).any():
            raise DataError(f"{pattern}: {width.min()} and {width.max()} features; silos of a job are alike")
        if (names != names[0]).any() or names[0] < 0:
            raise DataError(f"{pattern}: the files differ in the names of classes or columns; silos of a job are alike")
    home = np.searchsorted(cuts, np.arange(len(paths)), "right") - 1
    with comm.together("parting the silos' rows"):
        out, train = held.held_out(job, len(paths)), pick.join([s.train for s in read])
        own = held.part(job, train, np.repeat(np.arange(len(paths))[mine], [s.train.rows for s in read]), out)
        if own.first < train.rows and not isinstance(train.x, CSR):
            pick.reorder(train, own.order)
    sizes = comm.sum(np.diff(own.train.starts), "counts")
    counts = np.where(out, 0, sizes)
    bounds = np.concatenate([[0], np.cumsum(counts)])
    plan = Plan(np.append(bounds[cuts[comm.origin]], bounds[-1]), np.unique(bounds), np.empty(0, np.int64))
    test = pick.join([s.test for s in read])
    if test_file:
        test = _read_test(test_file, job, read[0].table, classes, comm)
    tested = int(comm.sum(np.array([test.rows], np.int64), "counts")[0])
    shards = Shards(train, test, int(counts.sum()), tested, classes, plan, read[0].table)
    lost = np.flatnonzero(~np.isin(home, comm.origin))
    owner = np.minimum(np.searchsorted(comm.origin, home), comm.size - 1)
    return Population(shards, counts, sizes, own, owner, comm, tuple(paths[mine]), lost)


def _test_file(job: Job) -> str:
    """Return the file of the global test set; "" if each silo holds its own."""
    test = job.data.test
    return test if isinstance(test, str) and test != "none" else ""


def _read_test(path: str, job: Job, table: Table, classes: int, comm: Comm) -> Shard:
    """Return this rank's rows of a test file beside silos, one of which is `table` (collective)."""
    with comm.together("reading the test set"):
        other = shard.open_test(path, job.data, table)
        return shard.read_test(other, table, classes, job.data, np.dtype(job.model.dtype), comm)


def find(pattern: str) -> list[str]:
    """Return the files of ``silo-{client}.h5``, numbers in the client's name by value."""
    found = glob(pattern.replace("{client}", "*"))
    if not found:
        raise DataError(f"{pattern}: no such files; {{client}} stands for each client's name")
    return sorted(found, key=lambda p: [int(w) if w.isdigit() else w for w in re.split(r"(\d+)", p)])


def runs(sizes: np.ndarray, ranks: int) -> np.ndarray:
    """Cut clients into contiguous runs of about equal size, none empty: (ranks + 1,) bounds."""
    ends = np.cumsum(sizes)
    cuts = np.searchsorted(ends, ends[-1] * np.arange(ranks + 1) / ranks)
    cuts[0], cuts[-1] = 0, len(sizes)
    for r in range(1, ranks):
        cuts[r] = min(max(cuts[r], cuts[r - 1] + 1), len(sizes) - ranks + r)
    return np.asarray(cuts)


def _slice(rows: Shard, rank: int, size: int) -> Shard:
    a, b = (rows.rows * r // size for r in (rank, rank + 1))
    return pick.take(rows, np.arange(a, b))
