"""Rows a second of one client's local epoch of a convolutional network, beside PyTorch.

``python benchmarks/cnn.py`` trains McMahan's network and LeNet-5 on 600 images of 28 x 28 by SGD, batch 10 and
64, float32, one process and one thread each, ours and PyTorch in turn, in PyTorch's default layout of images and
with channels last. Ours is a whole federated round with one client: its epoch, the sum, the server's step. JSON lines.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from pairs import compare, installed, machine, options, plot

import hpcfl
from hpcfl.data.h5 import write_atomic

ROWS, RATE = 600, 0.01
ROUNDS = {"mcmahan": 2, "lenet5": 12}
MODELS = {"mcmahan": ("relu", 1, 32, 64, (3136, 512)), "lenet5": ("tanh", 1, 6, 16, (400, 120, 84))}


def rows(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Write and return images and classes."""
    rng = np.random.default_rng(0)
    x, y = rng.random((ROWS, 784), np.float32), rng.integers(0, 10, ROWS)
    write_atomic(path, {"x": x, "y": y}, {"format": "hpcfl", "version": 1, "task": "classification"})
    return x, y


def ours(data: Path, model: str, batch: int) -> float:
    """Return the rows a second of our rounds, by their median."""
    with tempfile.TemporaryDirectory() as folder:
        hpcfl.train(
            {
                "output": folder,
                "data": {"train": str(data), "test": "none"},
                "model": {"name": "cnn", "layers": [model], "activation": MODELS[model][0]},
                "optimizer": {"learning_rate": RATE},
                "train": {"mode": "federated", "rounds": ROUNDS[model] + 1},
                "federated": {"clients": 1, "clients_per_round": 1, "local_epochs": 1, "batch_size": batch},
                "evaluate": {"every": 1 << 30},
                "checkpoint": {"every_seconds": 0.0},
            }
        )
        return ROWS / float(json.loads((Path(folder) / "summary.json").read_text())["seconds_per_round"])


class Torch:
    """The same network, rows and steps in PyTorch."""

    def __init__(self, model: str, batch: int, x: np.ndarray, y: np.ndarray, layout: str) -> None:
        import torch

        torch.set_num_threads(1)
        self.torch, self.batch, self.rounds, nn = torch, batch, ROUNDS[model], torch.nn
        name, c, a, b, widths = MODELS[model]
        act = nn.ReLU if name == "relu" else nn.Tanh
        second = nn.Conv2d(a, b, 5, padding=2 if model == "mcmahan" else 0)
        layers: list[Any] = [nn.Conv2d(c, a, 5, padding=2), act(), nn.MaxPool2d(2), second, act(), nn.MaxPool2d(2)]
        layers.append(nn.Flatten())
        for wide, narrow in zip(widths[:-1], widths[1:], strict=True):
            layers += [nn.Linear(wide, narrow), act()]
        form = getattr(torch, layout)
        self.net = nn.Sequential(*layers, nn.Linear(widths[-1], 10)).to(memory_format=form)
        self.x = torch.from_numpy(x).reshape(-1, 1, 28, 28).contiguous(memory_format=form)
        self.y, self.sgd = torch.from_numpy(y), torch.optim.SGD(self.net.parameters(), lr=RATE)

    def __call__(self) -> float:
        """Return the rows a second of so many epochs."""
        start = perf_counter()
        for _ in range(self.rounds):
            order = self.torch.randperm(ROWS)
            for at in range(0, ROWS, self.batch):
                batch = order[at : at + self.batch]
                self.sgd.zero_grad()
                self.torch.nn.functional.cross_entropy(self.net(self.x[batch]), self.y[batch]).backward()
                self.sgd.step()
        return ROWS * self.rounds / (perf_counter() - start)


def main() -> None:
    """Run every case and print its lines."""
    parser = options(__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    args = parser.parse_args()
    machine()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "rows.h5"
        x, y = rows(data)
        for model in MODELS:
            for batch in (10, 64):
                case = f"{model}, batch {batch}, rows/s"
                if args.only in case and installed("torch"):
                    layouts = {"PyTorch": "contiguous_format", "PyTorch, channels last": "channels_last"}
                    peers = {name: Torch(model, batch, x, y, layout) for name, layout in layouts.items()}
                    mine = lambda m=model, b=batch: ours(data, m, b)  # noqa: E731
                    compare(case, mine, peers, {"PyTorch": 1.0}, args.runs)
    plot(args.plot)


if __name__ == "__main__":
    main()
