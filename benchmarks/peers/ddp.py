"""PyTorch DDP over gloo on 2 processes: the peer of benchmarks/synchronous.py.

``python ddp.py DATA.h5 mlp|softmax BATCH EPOCHS`` prints samples per second of the epochs after the first.
Rows are tensors in memory, indexed by a permutation: no data loader slows it down.
"""

from __future__ import annotations

import json
import os
import sys
from time import perf_counter

import h5py
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

WORLD = 2


def work(rank: int, data: str, model: str, batch: int, epochs: int, out: mp.SimpleQueue) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=WORLD)
    with h5py.File(data) as file:
        n = file["x"].shape[0] // WORLD
        x = torch.from_numpy(file["x"][rank * n : (rank + 1) * n])
        y = torch.from_numpy(file["y"][rank * n : (rank + 1) * n])
    widths = [x.shape[1], 200, 200, 10] if model == "mlp" else [x.shape[1], 10]
    layers: list[nn.Module] = []
    for a, b in zip(widths[:-1], widths[1:], strict=True):
        layers += [nn.Linear(a, b), nn.ReLU()]
    net = DistributedDataParallel(nn.Sequential(*layers[:-1]))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    loss, own = nn.CrossEntropyLoss(), batch // WORLD
    for epoch in range(epochs + 1):
        if epoch == 1:
            dist.barrier()
            start = perf_counter()
        order = torch.randperm(n)
        for at in range(0, n, own):
            rows = order[at : at + own]
            optimizer.zero_grad()
            loss(net(x[rows]), y[rows]).backward()
            optimizer.step()
    dist.barrier()
    if rank == 0:
        out.put(epochs * n * WORLD / (perf_counter() - start))
    dist.destroy_process_group()


def main() -> None:
    data, model, batch, epochs = sys.argv[1:]
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(20000 + os.getpid() % 20000)}
    out = mp.get_context("spawn").SimpleQueue()
    mp.spawn(work, (data, model, int(batch), int(epochs), out), WORLD)
    print(json.dumps({"samples_per_second": out.get()}))


if __name__ == "__main__":
    main()
