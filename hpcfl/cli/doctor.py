"""Look at this machine, MPI, SLURM and the run directory, and say what to do about what is wrong."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, NamedTuple

GIB = 2**30


class Finding(NamedTuple):
    """One line: what was looked at, what is there, and what to do about it ("" if nothing)."""

    topic: str
    text: str
    advice: str = ""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("output", nargs="?", default=".", help="folder where run directories go (default: here)")


def run(args: argparse.Namespace) -> int:
    """Print the findings of all ranks; exit code 2 if each thinks that it is alone."""
    from hpcfl.comm.communicator import world

    comm = world()
    findings = [*mpi(comm), *slurm(comm), *processor(comm), *files(comm, args.output), *cache(comm)]
    if comm.rank == 0:
        for topic, text, advice in findings:
            print(f"{'!' if advice else ' '} {topic:10} {text}" + (f"\n{'':13}-> {advice}" if advice else ""))
    return 2 if any(f.topic == "launcher" and f.advice for f in findings) else 0


def mpi(comm: Any) -> Iterator[Finding]:
    """MPI: library, ranks and hosts, ULFM (collective)."""
    import socket

    import numpy as np

    from hpcfl.comm import heart, survival
    from hpcfl.comm.communicator import library

    name = np.frombuffer((socket.gethostname() + "\n").encode(), np.uint8)
    hosts = comm.allgatherv(name).tobytes().decode().split()
    yield Finding("MPI", library())
    alone = "" if comm.size > 1 else "one process: start it by mpirun or srun as the job will be, to see all ranks"
    counts = ", ".join(f"{hosts.count(host)} on {host}" for host in sorted(set(hosts)))
    yield Finding("ranks", counts, alone)
    if survival.works(comm):
        noticed = "killed, leaves or stops" if heart.detects() else "is killed"
        more = "" if heart.detects() else " (one that leaves or stops: add --mca mpi_ft_detector true)"
        yield Finding("ULFM", f'on: with comm.on_failure = "continue" a run goes on when a rank {noticed}{more}')
    else:
        cure = "Open MPI 5: mpirun --with-ft ulfm; MPICH and srun cannot"
        yield Finding("ULFM", f"off: a dead rank ends the job ({cure})")


def slurm(comm: Any) -> Iterator[Finding]:
    """SLURM: tasks against ranks, time left (local, but every rank)."""
    import os
    from math import inf

    from hpcfl.comm import slurm as job
    from hpcfl.errors import UsageError

    launcher, count = job.started()
    try:
        job.check(comm.size)
        advice = ""
    except UsageError as error:
        advice = str(error)
    if launcher:
        yield Finding("launcher", f"{launcher} started {count} processes, MPI sees {comm.size} ranks", advice)
    if "SLURM_JOB_ID" not in os.environ:
        yield Finding("SLURM", "not inside a job")
        return
    asked = int(os.environ.get("SLURM_NTASKS", "1")) if not launcher else count
    advice = f"the job has {asked} tasks: start hpcfl by mpirun or srun" if not launcher and asked > comm.size else ""
    yield Finding("SLURM", f"job {os.environ['SLURM_JOB_ID']} with {asked} tasks, {comm.size} ranks here", advice)
    left = job.seconds_left() if comm.rank == 0 else inf
    short = "set --time higher: a run stops 120 s, or a tenth of what is left, before the end" if left < 300 else ""
    yield Finding("time left", "no limit" if left == inf else f"{left / 60:.0f} min", short)


def processor(comm: Any) -> Iterator[Finding]:
    """Cores, pinning, threads of BLAS and Numba (collective)."""
    import os

    import numpy as np

    from hpcfl import machine

    cores, ranks = machine.cores(), comm.node.size
    total = os.cpu_count() or 1
    core = np.array([hash(tuple(sorted(os.sched_getaffinity(0)))) if hasattr(os, "sched_getaffinity") else 0])
    places = len(np.unique(comm.on_node().allgather(core.astype(np.int64))))
    yield Finding(
        "cores",
        f"{total} on this node, {cores} for this rank ({'pinned' if cores < total else 'not pinned'}), {ranks} ranks",
        f"start at most {total} ranks on this node, or ask for more cores" if ranks > total else "",
    )
    if cores < total and places < ranks:
        yield Finding("pinning", f"{ranks} ranks share {places} sets of cores", "bind each rank: mpirun --bind-to core")
    share = max(cores // (ranks if places == 1 else 1), 1)
    yield from threads(share)
    print_of = machine.fingerprint()
    kinds = comm.allgatherv(np.frombuffer(("|".join(print_of.values()) + "\n").encode(), np.uint8)).tobytes().decode()
    mixed = len(set(kinds.splitlines())) > 1
    pin = "ranks differ: reproducible runs need OPENBLAS_CORETYPE and NUMBA_CPU_NAME set alike" if mixed else ""
    yield Finding("CPU", f"{print_of['cpu']}; {print_of['numpy_blas']} (SciPy's: {print_of['scipy_blas']})", pin)


def threads(share: int) -> Iterator[Finding]:
    """Threads that each rank may start, against its share of the cores."""
    import os

    for topic, name in (("BLAS", "OPENBLAS_NUM_THREADS"), ("Numba", "NUMBA_NUM_THREADS")):
        value = os.environ.get(name, "")
        many = value.isdigit() and int(value) > share
        given = f"{name}={value}" if value else f"{name} is not set: hpcfl uses 1 thread"
        yield Finding(
            topic, given, f"export {name}=1: a rank has {share} core(s), more threads slow it" if many else ""
        )


def files(comm: Any, output: str) -> Iterator[Finding]:
    """HDF5, and the file system of run directories: writable, shared, locks, free space (collective)."""
    import shutil
    from pathlib import Path

    from hpcfl.data import disk
    from hpcfl.errors import HpcflError

    folder = next(p for p in (Path(output).absolute(), *Path(output).absolute().parents) if p.exists())
    yield Finding("HDF5", disk.versions())
    try:
        with comm.together("writing to the output folder"):
            locks = disk.locks(folder) if comm.rank == 0 else True
    except HpcflError as error:
        yield Finding("output", f"{folder} cannot be written ({error})", "choose another output folder, or free it")
        return
    yield Finding(
        "output", f"{folder} can be written; file locks {'work' if locks else 'do not work (hpcfl reads without them)'}"
    )
    free = shutil.disk_usage(folder).free
    small = "free some space: checkpoints that do not fit are left out" if free < GIB else ""
    yield Finding("disk", f"{free / GIB:.1f} GiB free in {folder}", small)


def cache(comm: Any) -> Iterator[Finding]:
    """Where compiled kernels are kept, and whether any are there (collective)."""
    from hpcfl.kernels.flags import cache_folder

    folder = cache_folder()
    warm = len(list(folder.glob("**/*.nbc"))) if folder.is_dir() else 0
    shared = "; set NUMBA_CACHE_DIR to a disk of the node itself" if comm.size > comm.node.size else ""
    advice = "" if warm else "run 'hpcfl warm job.toml' once a node before the job" + shared
    yield Finding("kernels", f"{warm} compiled in {folder}" if warm else f"none compiled yet in {folder}", advice)
