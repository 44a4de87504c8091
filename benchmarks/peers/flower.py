"""Flower's simulation on Ray, one CPU and one torch thread a client: a peer of benchmarks/federated.py.

``python flower.py DATA.h5 mlp|softmax ROUNDS [SECONDS]`` prints the median seconds of a round and the mean loss and
the accuracy of the last model. Each worker reads the rows once; nothing is evaluated in a round. The server looks for
answers every SECONDS, in a simulation 0.1 s unless changed.
"""

from __future__ import annotations

import json
import logging
import sys
from time import perf_counter

import numpy as np
import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation
from torch_model import BATCH, COHORT, RATE, network, rows, score


def trainer(data: str, name: str) -> ClientApp:
    """Return what a client does."""
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        x, y, starts = rows(data)
        own = int(context.node_config["partition-id"])
        a, b = int(starts[own]), int(starts[own + 1])
        net = network(name, x.shape[1])
        net.load_state_dict(message.content["arrays"].to_torch_state_dict())
        optimizer, criterion = torch.optim.SGD(net.parameters(), lr=RATE), torch.nn.CrossEntropyLoss()
        for batch in (torch.randperm(b - a) + a).split(BATCH):
            optimizer.zero_grad()
            criterion(net(x[batch]), y[batch]).backward()
            optimizer.step()
        content = {"arrays": ArrayRecord(net.state_dict()), "metrics": MetricRecord({"num-examples": b - a})}
        return Message(content=RecordDict(content), reply_to=message)

    return app


def server(data: str, name: str, rounds: int, interval: float) -> ServerApp:
    """Return what the server does: it prints the figures at the end."""
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        x, y, starts = rows(data)
        clients, times = len(starts) - 1, list[float]()
        if interval:
            grid.pull_interval = interval
        strategy = FedAvg(
            fraction_train=COHORT / clients,
            fraction_evaluate=0.0,
            min_train_nodes=COHORT,
            min_available_nodes=clients,
        )
        net = network(name, x.shape[1])
        result = strategy.start(
            grid,
            ArrayRecord(net.state_dict()),
            num_rounds=rounds,
            evaluate_fn=lambda r, arrays: times.append(perf_counter()),
        )
        net.load_state_dict(result.arrays.to_torch_state_dict())
        found = {"seconds_per_round": float(np.mean(np.diff(times)[2:]))}
        print(json.dumps(found | score(net, x, y)), flush=True)

    return app


def main() -> None:
    data, name, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    interval = float(sys.argv[4]) if len(sys.argv) > 4 else 0.0
    logging.disable(logging.INFO)
    clients = len(rows(data)[2]) - 1
    run_simulation(
        server(data, name, rounds, interval),
        trainer(data, name),
        clients,
        backend_config={"client_resources": {"num_cpus": 1}, "init_args": {"num_cpus": 2, "log_to_driver": False}},
    )


if __name__ == "__main__":
    main()
