"""How benchmarks start programs: on ranks, one thread each, and read what they print."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import tomli_w

BIN = Path(sys.executable).parent
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL", "NUMBA")}


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
