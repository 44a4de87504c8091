"""A model bound to its data: the layout, the kernels and the scratch that a loop calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcfl.comm.communicator import Comm
from hpcfl.config import Job
from hpcfl.data.shard import Shards
from hpcfl.errors import DataError, UsageError
from hpcfl.layout import Layout
from hpcfl.preprocess.standardize import affine
from hpcfl.schema import name_of
from hpcfl.seeding import stream


@dataclass(frozen=True)
class Objective:
    """What is minimised.

    Attributes
    ----------
    rule : the model of the job file
    layout : Layout
        Of the P parameters.
    outputs : int
        Raw outputs per row.
    spec : int64 array
        What the kernels know of the model.
    affine : (2, d) or (2, 0) float
        Standardization.
    penalized : (k, 2) int64
        Ranges of the parameters under the L2 penalty.
    dtype : numpy dtype
        Of parameters and arithmetic.
    sparse : bool
        Whether rows are CSR.
    """

    rule: Any
    layout: Layout
    outputs: int
    spec: np.ndarray
    affine: np.ndarray
    penalized: np.ndarray
    dtype: np.dtype[Any]
    sparse: bool
    features: int

    def start(self, seed: int, out: np.ndarray | None = None) -> np.ndarray:
        """Return the first parameters (P,), the same on every rank; in `out` if given, zeros so far."""
        w = self.layout.zeros(self.dtype) if out is None else out
        self.rule.init(stream(seed, "init"), self.layout.views(w))
        return w

    def scratch(self, rows: int) -> np.ndarray:
        """Return scratch for the kernels with batches of `rows` rows; CSR rows need no room for their features."""
        features = 1 if self.sparse else self.features
        return np.empty(self.rule.work(features, self.outputs, max(rows, 1)), self.dtype)

    def attrs(self, shards: Shards) -> dict[str, Any]:
        """Return what prediction needs beside the arrays."""
        return {
            "features": self.features,
            "outputs": self.outputs,
            "task": "classification" if shards.classes else "regression",
            "classes": list(shards.names),
            "feature_names": list(shards.table.attrs.get("feature_names", ())),
        }

    def arrays(self, w: np.ndarray) -> dict[str, np.ndarray]:
        """Return the arrays of ``model.h5``."""
        return {"w": w, "affine": self.affine}


def bind(job: Job, shards: Shards, comm: Comm) -> Objective:
    """Bind the job's model to its data (collective: standardization sums over ranks)."""
    rule, dtype = job.model.rule, np.dtype(job.model.dtype)
    sparse, d = shards.table.kind == "csr", shards.table.features
    name = name_of(rule)
    with comm.together("binding the model"):
        if rule.task and (rule.task == "classification") != (shards.classes > 0):
            kind = "classification" if shards.classes else "regression"
            raise UsageError(f"model.name = '{name}' is for {rule.task}, the data is for {kind}; see data.task")
        k = rule.outputs(shards.classes)
        if shards.classes == 1:
            raise DataError(f"{shards.table.files[0]}: all targets are of one class, there is nothing to tell apart")
        if shards.classes and k == 1 and shards.classes != 2:
            raise UsageError(f"model.name = '{name}' tells 2 classes apart, the data has {shards.classes}; use softmax")
        if sparse and job.data.standardize:
            raise UsageError("data.standardize = true would fill the zeros of CSR rows; set it to false")
        try:
            rule.loss_grad(sparse)
        except ValueError as error:
            raise UsageError(f"model.name = '{name}': {error}") from None
        layout = rule.layout(d, k)
    first, last = shards.plan.owned(shards.plan.segments, comm.rank)
    bounds = shards.plan.segments[first : last + 1] - shards.plan.cuts[comm.rank]
    segments = list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))
    scale = affine(shards.train.x, segments, dtype, comm) if job.data.standardize else np.empty((2, 0), dtype)
    return Objective(rule, layout, k, rule.spec(d, k), scale, layout.penalized(), dtype, sparse, d)
