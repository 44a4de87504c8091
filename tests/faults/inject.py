"""Runs the command line with faults: inject.py KIND PLACE RANK -- hpcfl's arguments [-- those of a second command].

A fault comes once, when RANK passes PLACE for the time that PLACES says. KIND, PLACE and RANK may be
lists with commas: one fault each. Commands follow each other whatever the code of the one before.
"""

import importlib
import os
import resource
import signal
import sys
import time
from itertools import groupby

PLACES = {  # name -> (module, attribute path, at which call)
    "loading": ("hpcfl.data.table", "Table.read", 1),
    "first step": ("hpcfl.trainers.gradients", "Local.write", 2),  # the first call only compiles
    "mid-epoch": ("hpcfl.trainers.gradients", "Local.write", 4),
    "first round": ("hpcfl.federated.local", "Local.run", 2),
    "third round": ("hpcfl.federated.local", "Local.run", 4),
    "evaluation": ("hpcfl.metrics", "evaluate", 1),
    "write": ("pathlib", "Path.write_bytes", 3),  # of the second checkpoint: each has two files on rank 0
    "fsync": ("hpcfl.data.h5", "sync", 7),
    "rename": ("os", "replace", 3),
    "manifest": ("hpcfl.data.manifest", "Manifest.write", 2),
    "second epoch": ("hpcfl.trainers.gradients", "Local.write", 8),
    "fifth round": ("hpcfl.federated.clients", "Clients.train", 5),
    "copy": ("hpcfl.trainers.memory", "Memory.hold", 2),
    "recovery": ("hpcfl.trainers.memory", "Memory.recall", 2),  # the first one finds nothing, at the start
    "log": ("hpcfl.trainers.directory", "Directory.log", 2),
    "model": ("hpcfl.trainers.directory", "Directory.model", 1),
    "second trees": ("hpcfl.forest.over_trees", "grow", 3),  # the first call compiles
    "sparse message": ("hpcfl.trainers.sparse", "SparseSums._write", 6),
    "sparse move": ("hpcfl.trainers.sparse", "SparseStepper._move", 12),  # in the second epoch
    "third iteration": ("hpcfl.factorization.als", "Alternating.step", 3),
}


STEPS = {"hpcfl.trainers.stepper": "Stepper.step", "hpcfl.federated.rounds": "Rounds.round"}
passed = [0]


def fault(kind: str) -> None:
    """Do what KIND says to this process."""
    print(f"injected {kind} after {passed[0]} steps or rounds", file=sys.stderr, flush=True)
    if kind == "exception":
        raise RuntimeError("injected")
    if kind == "exit":
        os._exit(1)
    if kind == "full":  # the disk, as far as files of this process go
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
        return
    os.kill(os.getpid(), getattr(signal, f"SIG{kind}"))
    time.sleep(0.01)  # the handler of TERM runs here, as it would later


def arm(kind: str, place: str) -> None:
    """Put the fault before the call that `place` names."""
    name, path, count = PLACES[place]
    calls = [0]

    def before():
        calls[0] += 1
        if calls[0] == count:
            fault(kind)

    def mend():
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    wrap(name, path, before, mend if kind == "full" else lambda: None)
    for module, step in STEPS.items():
        wrap(module, step, lambda: None, lambda: passed.__setitem__(0, passed[0] + 1))


def wrap(module: str, path: str, before, after) -> None:
    """Put two functions around the one that `module` and `path` name."""
    owner = importlib.import_module(module)
    *parents, last = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    real = getattr(owner, last)

    def wrapped(*args, **kwargs):
        before()
        try:
            return real(*args, **kwargs)
        finally:
            after()

    setattr(owner, last, wrapped)


def main() -> int:
    """Arm the fault on its rank and run hpcfl."""
    from hpcfl.cli.main import main as run
    from hpcfl.comm.communicator import MPI  # by way of hpcfl, which tells mpi4py how to end

    for kind, place, rank in zip(*(text.split(",") for text in sys.argv[1:4]), strict=True):
        if kind != "none" and MPI.COMM_WORLD.rank == int(rank):
            try:
                arm(kind, place)
            except AttributeError as error:
                print(f"PLACES or STEPS name what is no more: {error}", file=sys.stderr, flush=True)
                MPI.COMM_WORLD.Abort(1)
    codes = [run(list(words)) for dashes, words in groupby(sys.argv[5:], "--".__eq__) if not dashes]
    if MPI.COMM_WORLD.rank == 0:
        print("codes", *codes, flush=True)
    return codes[-1]


if __name__ == "__main__":
    sys.exit(main())
