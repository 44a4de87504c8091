"""What all benchmarks share: ours and a peer in turn, the median and spread of their ratio, JSON lines."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import tomli_w

Figure = Callable[[], float]
BIN = Path(sys.executable).parent
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL", "NUMBA")}


def compare(case: str, ours: Figure, peers: dict[str, Figure], target: dict[str, float], runs: int = 5) -> None:
    """Take the figures in turn (ours, peer, ours, ...) and print one JSON line a peer.

    Parameters
    ----------
    case : str
        What was measured, with its unit.
    ours : callable
        Returns our figure, more is better (turn seconds round).
    peers : dict
        Name -> callable that returns the peer's figure.
    target : dict
        Name -> the ratio ours / peer that is aimed at.
    runs : int
        Counted runs; one of each goes before them.
    """
    ours()
    warm = [peer() for peer in peers.values()]
    assert all(np.isfinite(warm))
    taken = [(ours(), *(peer() for peer in peers.values())) for _ in range(runs)]
    for k, name in enumerate(peers, 1):
        ratios = sorted(row[0] / row[k] for row in taken)
        line = {"case": case, "peer": name, "ours": median(row[0] for row in taken)}
        line |= {"theirs": median(row[k] for row in taken), "ratio": median(ratios)}
        emit(line | {"least": ratios[0], "most": ratios[-1], "runs": runs, "target": target.get(name)})


def emit(line: dict[str, Any]) -> None:
    """Print a JSON line, numbers to four digits."""
    print(json.dumps({k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in line.items()}), flush=True)


def machine() -> None:
    """Print what the figures were measured on."""
    from hpcfl.trainers.run import versions

    text = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in text if line.startswith("model name"))
    emit({"machine": next(names, platform.machine()), "cores": os.cpu_count(), **versions()})


def installed(package: str) -> bool:
    """Return whether a peer is there; a missing one is said."""
    there = importlib.util.find_spec(package) is not None
    if not there:
        emit({"peer": package, "missing": f"pip install {package}"})
    return there


def mpirun() -> list[str]:
    """Return the launcher of this environment, with what Open MPI needs to share a small machine."""
    own = BIN / "mpirun"
    command = str(own) if own.exists() else shutil.which("mpirun") or "mpirun"
    text = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
    return [command, "--allow-run-as-root", "--oversubscribe"] if "Open MPI" in text else [command]


def train(job: dict[str, Any], ranks: int = 2, *options: str) -> dict[str, Any]:
    """Train a job on so many ranks, one BLAS thread each, and return its summary."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "job.toml"
        path.write_text(tomli_w.dumps(job | {"output": str(Path(folder) / "run")}))
        python([*mpirun(), "-n", str(ranks)], ["-m", "hpcfl", "train", str(path), *options])
        return dict(json.loads((Path(folder) / "run" / "summary.json").read_text()))


def python(launch: list[str], arguments: list[str]) -> str:
    """Run this interpreter, one thread a process, and return what it printed."""
    env = {**os.environ, **ONE_THREAD}
    command = [*launch, sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def peer(script: str, *arguments: str | float) -> dict[str, Any]:
    """Run ``benchmarks/peers/SCRIPT`` and return the JSON of its last line."""
    path = Path(__file__).parent / "peers" / script
    out = python([], [str(path), *map(str, arguments)])
    return dict(json.loads(out.strip().splitlines()[-1]))
