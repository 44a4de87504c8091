"""pfl-research in one process: a peer of benchmarks/federated.py.

``python pfl_research.py DATA.h5 mlp|softmax ROUNDS`` prints the median seconds of a round and the mean loss and
the accuracy of the last model. Clients' tensors, and the batches cut from them, stay in memory between rounds.
"""

from __future__ import annotations

import json
import sys
from time import perf_counter
from typing import Any

import numpy as np
import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.callback.base import TrainingProcessCallback
from pfl.data.federated_dataset import FederatedDataset
from pfl.data.pytorch import PyTorchTensorDataset
from pfl.data.sampling import get_user_sampler
from pfl.hyperparam.base import NNEvalHyperParams, NNTrainHyperParams
from pfl.metrics import Metrics, Weighted
from pfl.model.pytorch import PyTorchModel
from torch_model import BATCH, COHORT, RATE, network, rows, score


class Net(torch.nn.Module):
    """The network as pfl wants it: with its loss."""

    def __init__(self, name: str, features: int) -> None:
        super().__init__()
        self.net, self.criterion = network(name, features), torch.nn.CrossEntropyLoss()

    def loss(self, x: torch.Tensor, y: torch.Tensor, eval: bool = False) -> torch.Tensor:
        """Return the mean loss."""
        return self.criterion(self.net(x), y)

    def metrics(self, x: torch.Tensor, y: torch.Tensor, eval: bool = False) -> dict[str, Any]:
        """Return what an evaluation measures; none is made in a round."""
        return {"loss": Weighted(0.0, len(y))}


class Clock(TrainingProcessCallback):
    """Notes when each round ends."""

    def __init__(self) -> None:
        self.times = [perf_counter()]

    def after_central_iteration(self, *args: Any, **kwargs: Any) -> tuple[bool, Metrics]:
        """Note the time."""
        self.times.append(perf_counter())
        return False, Metrics()


def main() -> None:
    data, name, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    x, y, starts = rows(data)
    users = {
        c: PyTorchTensorDataset((x[a:b], y[a:b]), user_id=str(c))
        for c, (a, b) in enumerate(zip(starts[:-1], starts[1:], strict=True))
    }
    people = FederatedDataset(users.__getitem__, get_user_sampler("random", list(users)))
    net = Net(name, x.shape[1])
    model = PyTorchModel(net, torch.optim.SGD, torch.optim.SGD(net.parameters(), lr=1.0))
    training = NNTrainHyperParams(
        local_num_epochs=1, local_learning_rate=RATE, local_batch_size=BATCH, local_max_grad_norm=None
    )
    clock = Clock()
    FederatedAveraging().run(
        algorithm_params=NNAlgorithmParams(
            central_num_iterations=rounds,
            evaluation_frequency=10**9,
            train_cohort_size=COHORT,
            val_cohort_size=0,
        ),
        backend=SimulatedBackend(training_data=people, val_data=people),
        model=model,
        model_train_params=training,
        model_eval_params=NNEvalHyperParams(local_batch_size=None),
        callbacks=[clock],
    )
    found = {"seconds_per_round": float(np.mean(np.diff(clock.times)[2:]))}
    print(json.dumps(found | score(net.net, x, y)))


if __name__ == "__main__":
    main()
