"""What checkpoints cost: seconds of one, and their share of training at the default interval, by parameters.

``python benchmarks/checkpoint.py`` prints a JSON line for each size; momentum doubles what is written.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from hpcfl.comm.communicator import world  # noqa: E402
from hpcfl.data.checkpoint import Checkpoints  # noqa: E402
from hpcfl.sections.running import Checkpoint  # noqa: E402
from hpcfl.trainers.memory import Memory  # noqa: E402


def measure(parameters: int, folder: Path) -> dict[str, float]:
    """Return the seconds that the state of so many float32 parameters with momentum takes to disk and to memory."""
    comm, rng = world(), np.random.default_rng(0)
    state = {"w": rng.random(parameters, np.float32), "state": rng.random((1, parameters), np.float32)}
    store, memory = Checkpoints(folder, comm, 2), Memory(comm)
    disk, copy = [], []
    for step in range(3):
        start = perf_counter()
        store.save({"step": step}, state, {}, {"job": {}, "data": ""})
        disk.append(perf_counter() - start)
        start = perf_counter()
        memory.hold({"step": step}, {f"shared/{name}": array for name, array in state.items()})
        copy.append(perf_counter() - start)
    seconds = median(disk)
    share = seconds / Checkpoint().every_seconds
    return {
        "parameters": parameters,
        "seconds": seconds,
        "share_of_training": share,
        "memory_copy_seconds": median(copy),
    }


def main() -> None:
    """Print a line for each size."""
    for parameters in (10**4, 10**6, 10**7, 10**8):
        with tempfile.TemporaryDirectory(dir=".") as folder:
            print(json.dumps(measure(parameters, Path(folder))), flush=True)


if __name__ == "__main__":
    main()
