"""The work of one rank in a round: all local runs of its clients in one jitted call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hpcfl.config import Job
from hpcfl.federated.bank import Bank
from hpcfl.federated.population import Population
from hpcfl.federated.types import Run
from hpcfl.kernels import local as kernels
from hpcfl.kernels import tables
from hpcfl.kernels.typed import Typed, entry
from hpcfl.layout import Layout

PROBE = 512  # rows whose loss is measured at a time


class Local:
    """Model, local optimizer and rows, bound for the kernels.

    Parameters
    ----------
    job : Job
    objective : Any
        Has ``rule``, ``layout``, ``spec``, ``affine``, ``penalized``, ``dtype``, ``sparse``
        and ``scratch(rows)``.
    people : Population
    """

    def __init__(self, job: Job, objective: Any, people: Population) -> None:
        fed, self.rule = job.federated, job.optimizer.rule
        self.layout: Layout = objective.layout
        self.ghost = fed.strategy.optimizer == "linear"  # nobody else reads its path
        self.objective, self.people, self.clip = objective, people, job.optimizer.clip_norm
        most = max(int(people.sizes.max(initial=1)), 1)
        self.batch = most if fed.batch_size == "full" else min(int(fed.batch_size), most)
        self.chunk = max(self.batch, min(PROBE, most))
        self.scratch = self._scratch(most)
        self.loss_grad, self.step = self._typed()
        self.table, self.solver = self._tables()
        self.plans: dict[Any, tables.Plan] = {}
        self.train: Callable[..., None] | None = None

    def _scratch(self, most: int) -> tables.Scratch:
        size, kind, slots = self.layout.size, self.objective.dtype, self.rule.slots
        return tables.Scratch(
            self.objective.scratch(self.chunk),
            np.zeros((3, size), kind),
            np.zeros((slots, size), kind),
            np.zeros((2 + slots, 1), kind),
            np.zeros(most, np.int32),
        )

    def _typed(self) -> tuple[Typed, Typed]:
        objective, rows = self.objective, self.people.shards.train
        w, grad, state = self.scratch.grads[1], self.scratch.grads[0], self.scratch.state
        given = (w, rows.x, rows.y, self.scratch.order, objective.affine, objective.spec, self.scratch.work, grad)
        loss_grad = Typed(objective.rule.loss_grad(objective.sparse), "float64", *given)
        return loss_grad, Typed(self.rule.kernel(), "void", w, grad, 1.0, state, self.rule.hyper(), 0.1, 1)

    def _tables(self) -> tuple[tables.Clients, tables.Solver]:
        """Return what stays the same from round to round, but for the rate of the solver."""
        given, people, rows = self.objective, self.people, self.people.shards.train
        weighted = bool((rows.y[:, 1] != 1).any())
        clients = tables.Clients(rows.x, rows.y, given.affine, given.spec, people.rows, people.starts, weighted)
        how = float(given.rule.l2), float(self.clip), self.batch, self.ghost
        return clients, tables.Solver(self.rule.hyper(), given.penalized, 0.0, *how)

    def run(
        self, ids: np.ndarray, streams: np.ndarray, steps: np.ndarray, runs: tuple[Run, ...], bank: Bank, rate: float
    ) -> np.ndarray:
        """Make the `runs` of the clients `ids` in `bank`.

        Returns
        -------
        (clients, 3) float64
            Loss sum and weight sum over the steps of the first run, end of the ghost.
        """
        if rate != self.solver.rate:
            self.solver = self.solver._replace(rate=rate)
        plan, stats = self._plan(runs, bank), np.empty((ids.size, 3))
        task = tables.Task(ids, streams, steps, np.ascontiguousarray(bank.shared), bank.own, stats)
        given = self.loss_grad, self.step, self.table, plan, self.solver, task, self.scratch
        self.train = self.train or entry(kernels.train, *given)
        self.train(*given)
        return stats

    def _plan(self, runs: tuple[Run, ...], bank: Bank) -> tables.Plan:
        """Return the kernels' table of `runs`, which is that of the last ones in almost every round."""
        for run in runs:
            bank.place(run.out)
        key = runs, tuple(bank.names), tuple(bank.told)
        if key not in self.plans:
            self.plans = {key: bank.plan(runs)}
        return self.plans[key]

    def losses(self, ids: np.ndarray, models: np.ndarray) -> np.ndarray:
        """Return the mean loss of each client over all its rows at `models` (k, P), (clients, k)."""
        nothing = np.empty((0, self.layout.size), models.dtype)
        found = [self._probe(ids, w, nothing) for w in models]
        return np.stack([f[:, 0] / f[:, 1] for f in found], 1)

    def gradients(self, ids: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Return the gradient of each client's mean loss with its penalty at `w`, (clients, P)."""
        grads = np.empty((ids.size, w.size), w.dtype)
        weight = self._probe(ids, w, grads)[:, 1:]
        grads /= weight.astype(w.dtype)
        for a, b in self.objective.penalized:
            grads[:, a:b] += w.dtype.type(self.objective.rule.l2) * w[a:b]
        return grads

    def _probe(self, ids: np.ndarray, w: np.ndarray, grads: np.ndarray) -> np.ndarray:
        sums = np.zeros((ids.size, 2))
        kernels.probe(self.loss_grad, w, self.table, ids, self.chunk, self.scratch, sums, grads)
        return np.column_stack([sums[:, 0], np.maximum(sums[:, 1], 1e-300)])
