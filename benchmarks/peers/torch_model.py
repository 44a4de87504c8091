"""What the PyTorch peers of benchmarks/federated.py share: the rows, the network, and how good it is."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import h5py
import numpy as np
import torch
from torch import nn

COHORT, BATCH, RATE = 10, 10, 0.05


@cache
def rows(data: str) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Return the rows, and where each client's start, read once a process, which has one thread from then on."""
    torch.set_num_threads(1)
    with h5py.File(data) as file:
        x, y, client = (file[k][()] for k in ("x", "y", "client"))
    return torch.from_numpy(x), torch.from_numpy(y), np.searchsorted(client, np.arange(client.max() + 2))


def network(name: str, features: int) -> nn.Sequential:
    """Return the 200-200-10 network or the softmax, drawn as ours are: He et al. 2015, or zeros."""
    widths = [features, 200, 200, 10] if name == "mlp" else [features, 10]
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    net = nn.Sequential(*layers[:-1])
    for part, parameter in net.named_parameters():
        if name == "softmax" or part.endswith("bias"):
            nn.init.zeros_(parameter)
        else:
            nn.init.kaiming_normal_(parameter, nonlinearity="relu")
    return net


@torch.no_grad()
def score(net: nn.Module, x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """Return the mean loss and the accuracy on all rows."""
    z = net(x)
    loss = nn.functional.cross_entropy(z, y)
    return {"loss": float(loss), "accuracy": float((z.argmax(1) == y).float().mean())}
