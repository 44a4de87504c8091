"""The ``hpcfl`` command: finds the sub-command, and lets no error pass a rank by."""

from __future__ import annotations

import argparse
import ast
import contextlib
import gc
import importlib
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

from hpcfl import __version__
from hpcfl.errors import HpcflError, UsageError

FORWARD = 0.3  # seconds in which a launcher forwards our line; MPICH's drops what is unread when a rank ends badly

RANK = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID")  # where launchers tell a process its rank


class Parser(argparse.ArgumentParser):
    """A parser whose errors are those of hpcfl: one line, from one rank, as all ranks were given the same words."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        error = UsageError(f"{message}; see '{self.prog} --help'")
        error.agreed, error.speaker = True, first()
        raise error


def first() -> bool:
    """Return whether this is the first process of a launcher, as its environment tells."""
    return next((os.environ[name] for name in RANK if name in os.environ), "0") == "0"


def commands() -> dict[str, str]:
    """Return {sub-command: its one line of help}, read from the files without importing them."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem not in ("__init__", "main") and not path.stem.startswith("_"):
            text = ast.get_docstring(ast.parse(path.read_text())) or ""
            found[path.stem] = text.splitlines()[0] if text else ""
    return found


def parser(command: str | None) -> argparse.ArgumentParser:
    """Return the parser; only `command`'s own file is imported."""
    top = Parser(
        prog="hpcfl",
        description="Distributed and federated training over MPI. Start it with mpirun or srun for several ranks.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"hpcfl {__version__}")
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    found = commands()
    sub = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in found.items():
        one = sub.add_parser(name, help=text, description=text, allow_abbrev=False)
        one.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        if name == command:
            importlib.import_module(f"hpcfl.cli.{name}").configure(one)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code.

    An error that all ranks share leaves by returning; any other aborts all ranks, since the
    others may sit in a collective call that this rank will never join.
    """
    argv = sys.argv[1:] if argv is None else argv
    command = next((a for a in argv if not a.startswith("-")), None)
    debug = "--debug" in argv
    threading.excepthook = lambda args: _fatal(args.exc_value, debug)
    try:
        args = parser(command).parse_args(argv)
        return int(importlib.import_module(f"hpcfl.cli.{args.command}").run(args) or 0)
    except HpcflError as error:
        if error.agreed:
            return _report(error, debug)
        _fatal(error, debug)
        return error.code
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        _abort(code)
        return code
    except BaseException as error:  # a rank must not leave while others wait for it
        _fatal(error, debug)
        return 1


def entry() -> NoReturn:
    """Run the command line as a process: objects of libraries by the million are not searched for garbage.

    Importing makes them and none is garbage, so the collector looks rarely; at the end, when Python
    would look at each of them again, it skips what is there. That is a third of the time of a short job.
    """
    gc.set_threshold(100_000, 20, 100)
    code = main()
    gc.freeze()
    sys.exit(code)


def _report(error: BaseException, debug: bool) -> int:
    if isinstance(error, BrokenPipeError):  # who reads our output, such as `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    if getattr(error, "speaker", True):
        if debug:
            traceback.print_exception(error)
        text = str(error) if isinstance(error, HpcflError) else _line(error)
        with contextlib.suppress(OSError):
            print(f"hpcfl: {text}", file=sys.stderr, flush=True)
        if "mpi4py.MPI" in sys.modules:
            time.sleep(FORWARD)
    return int(getattr(error, "code", 1))


def _line(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" at {last[0].filename}:{last[0].lineno}" if last else ""
    mpi: Any = sys.modules.get("mpi4py.MPI")
    several = mpi is not None and mpi.Is_initialized() and not mpi.Is_finalized() and mpi.COMM_WORLD.size > 1
    who = f" on rank {mpi.COMM_WORLD.rank}" if several else ""
    return f"{type(error).__name__}{who}{where}: {error} (--debug shows the traceback)"


def _fatal(error: Any, debug: bool) -> None:
    """Report an error of this rank alone and end all ranks."""
    code = _report(error, debug)
    _abort(code)


def _abort(code: int) -> None:
    """End all ranks, if MPI runs and there are others."""
    mpi: Any = sys.modules.get("mpi4py.MPI")
    if mpi is None or not mpi.Is_initialized() or mpi.Is_finalized() or mpi.COMM_WORLD.size == 1:
        return
    sys.stdout.flush()
    mpi.COMM_WORLD.Abort(code)
    os._exit(code)


if __name__ == "__main__":
    entry()
