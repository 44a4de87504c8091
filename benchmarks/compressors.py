"""What compressed gradients cost and save in synchronous SGD on 2 ranks of one node.

``python benchmarks/compressors.py``: one epoch of the 784-200-200-10 network, batch 128, in `groups` = 2 messages a
step; samples a second and bytes a step beside plain sums, one JSON line a compressor.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from pairs import train
from synchronous import job, rows

from hpcfl import registry


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = rows(Path(folder) / "rows.h5")
        for name in ["none", *(n for n in registry.names("compressors") if n != "none")]:
            table = job(data, "mlp", 128)
            table["train"] |= {"epochs": 1, "groups": 2}
            table["optimizer"] |= {"learning_rate": 0.01}  # with momentum, signs and their losses diverge at 0.05
            table["comm"] = {"compressor": name, "error_feedback": registry.load("compressors", name).biased}
            made = train(table, 2)
            sent = made["messages"]["gradient"]["bytes"] / made["steps"]
            line = {"compressor": name, "samples_per_second": made["samples_per_second"], "bytes_a_step": sent}
            print(json.dumps(line | {"train_loss": made["final"]["train_loss"]}), flush=True)


if __name__ == "__main__":
    main()
