"""What the PyTorch peers of benchmarks/federated.py share: the network, and how good it is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import nn

COHORT, BATCH, RATE = 10, 10, 0.05


def network(name: str, features: int) -> nn.Sequential:
    """Return the 200-200-10 network, or the softmax, which starts at zeros as ours does."""
    widths = [features, 200, 200, 10] if name == "mlp" else [features, 10]
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    net = nn.Sequential(*layers[:-1])
    if name == "softmax":
        for parameter in net.parameters():
            nn.init.zeros_(parameter)
    return net


@torch.no_grad()
def score(net: nn.Module, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Return the mean loss and the accuracy on all rows."""
    z, labels = net(torch.from_numpy(x)), torch.from_numpy(y)
    loss = nn.functional.cross_entropy(z, labels)
    return {"loss": float(loss), "accuracy": float((z.argmax(1) == labels).float().mean())}
