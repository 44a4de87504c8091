"""Small jobs that are interrupted, and what is compared of them."""

import json
from pathlib import Path

import h5py
import numpy as np

INJECT = str(Path(__file__).parent / "inject.py")

SYNCHRONOUS = """
seed = 3
output = "{output}"
reproducible = {reproducible}
[data]
train = "sample:iris"
[model]
name = "softmax"
[optimizer]
name = "sgd"
momentum = 0.9
learning_rate = 0.05
[train]
epochs = 3
batch_size = 32
groups = 4
[checkpoint]
every_steps = 2
[comm]
timeout = 600
"""
FEDERATED = """
seed = 3
output = "{output}"
[data]
train = "sample:iris"
[model]
name = "softmax"
[optimizer]
name = "sgd"
learning_rate = 0.05
[train]
mode = "federated"
rounds = 6
[federated]
clients = 6
clients_per_round = 3
[checkpoint]
every_rounds = 1
[comm]
timeout = 600
"""
FOREST = """
seed = 3
output = "{output}"
[data]
train = "sample:iris"
[model]
name = "forest"
trees = 24
[train]
mode = "forest"
[checkpoint]
every_rounds = 1
"""
FACTORIZATION = """
seed = 3
output = "{output}"
[data]
train = "sample:ratings"
[model]
name = "als"
rank = 4
[train]
mode = "factorization"
iterations = 6
[checkpoint]
every_rounds = 1
"""
JOBS = {"synchronous": SYNCHRONOUS, "federated": FEDERATED, "forest": FOREST, "factorization": FACTORIZATION}


def job(folder: Path, mode: str = "synchronous", reproducible: bool = False) -> list[str]:
    """Write a job file into `folder` and return the arguments that train it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "job.toml"
    path.write_text(JOBS[mode].format(output=folder / "run", reproducible=str(reproducible).lower()))
    return ["train", str(path)]


def hpcfl(kind: str, place: str, rank: int, *commands: list[str]) -> list[str]:
    """Return the interpreter's arguments that run hpcfl with a fault, one command after the other."""
    return [INJECT, kind, place, str(rank), *(word for command in commands for word in ("--", *command))]


def codes(stdout: str) -> list[int]:
    """Return the exit codes of the commands."""
    line = next(line for line in stdout.splitlines() if line.startswith("codes "))
    return [int(word) for word in line.split()[1:]]


def result(folder: Path) -> tuple[dict[str, bytes], list[dict]]:
    """Return what must be equal: the model's bytes, and the log without times."""
    with h5py.File(folder / "run" / "model.h5") as file:
        arrays: dict[str, bytes] = {}
        file.visititems(
            lambda n, d: arrays.update({n: np.asarray(d).tobytes()}) if isinstance(d, h5py.Dataset) else None
        )
    lines = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    for line in lines:
        for name in ("seconds", "samples_per_second", "lost"):
            line.pop(name, None)
    return arrays, lines
