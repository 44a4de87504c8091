"""What compressed gradients cost and save in synchronous SGD on 2 ranks of one node.

``python benchmarks/compressors.py``: one epoch of the 784-200-200-10 network, batch 128, in `groups` = 2 messages a
step, all compressors in turn; samples a second and their ratio to those of plain sums, bytes a step and the loss, one
JSON line a compressor.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from launch import train
from pairs import emit, in_turn, machine, options, plot, ratio
from synchronous import job, rows

from hpcfl import registry


def run(data: Path, name: str) -> dict[str, Any]:
    """Return the summary of a job with a compressor."""
    table = job(data, "mlp", 128)
    table["train"] |= {"epochs": 1, "groups": 2}
    table["optimizer"] |= {"learning_rate": 0.01}  # with momentum, signs and their losses diverge at 0.05
    table["comm"] = {"compressor": name, "error_feedback": registry.load("compressors", name).biased}
    return train(table)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    machine()
    names = ["none", *(n for n in registry.names("compressors") if n != "none")]
    with tempfile.TemporaryDirectory() as folder:
        data = rows(Path(folder) / "rows.h5")
        made = in_turn({name: partial(run, data, name) for name in names}, args.runs)
    speed = {name: [float(one["samples_per_second"]) for one in runs] for name, runs in made.items()}
    for name, (*_, last) in made.items():
        sent = last["messages"]["gradient"]["bytes"] / last["steps"]
        line = {"case": name, "peer": "none", "samples_per_second": median(speed[name]), "bytes_a_step": sent}
        emit(line | ratio(speed[name], speed["none"]) | {"train_loss": last["final"]["train_loss"]})
    plot(args.plot)


if __name__ == "__main__":
    main()
