"""Measuring a model on the test rows that each rank holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpcfl import metrics
from hpcfl.comm.communicator import Comm
from hpcfl.data.shard import Shard
from hpcfl.trainers.objective import Objective


def evaluate(
    objective: Objective, w: np.ndarray, test: Shard, attrs: dict[str, Any], comm: Comm, ranked: bool = True
) -> dict[str, Any]:
    """Return the metrics of parameters `w` over the test rows of all ranks (collective).

    With `ranked` false nothing about a single row leaves its rank, and there is no AUC.
    """
    with comm.together("evaluating"):
        predict = objective.rule.predictor(objective.arrays(w), attrs)
        outputs = np.concatenate([predict(x) for x in test.parts()])
    target, weight = test.y[:, 0], test.y[:, 1]
    probabilities = getattr(objective.rule, "probabilities", True)
    return metrics.evaluate(outputs, target, weight, attrs["task"], comm, probabilities, ranked)


def scalars(result: dict[str, Any]) -> dict[str, Any]:
    """Return the metrics that are single numbers: what a log line holds."""
    return {name: value for name, value in result.items() if isinstance(value, int | float)}
