"""What this machine is: its instruction level, the kernels that BLAS chose for it, its memory."""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path
from types import ModuleType

LEVELS = {
    "x86-64-v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
    "x86-64-v3": {"avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"},
    "x86-64-v2": {"sse4_2", "ssse3", "popcnt", "cx16"},
}
PINS = ("OPENBLAS_CORETYPE", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")


def fingerprint() -> dict[str, str]:
    """Return what the bits of a result depend on beside the job: CPU level, BLAS, and what pins them."""
    import numpy
    import scipy

    return {
        "cpu": cpu_level(),
        "numpy_blas": blas_core(numpy),
        "scipy_blas": blas_core(scipy),
        **{name.lower(): os.environ[name] for name in PINS if name in os.environ},
    }


def memory() -> int:
    """Return the bytes of memory that this node has, or that its control group (a container's, a job's) may use."""
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return have
    return min(have, int(limit)) if limit.isdigit() else have


def cpu_level() -> str:
    """Return the x86-64 level of this CPU, or the name of another architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    flags = next((set(line.split()) for line in lines if line.startswith("flags")), set())
    return next((name for name, need in LEVELS.items() if need <= flags), platform.machine())


def blas_core(package: ModuleType) -> str:
    """Return BLAS's version and the core it picked at run time, for `package` (numpy or scipy)."""
    blas = package.show_config(mode="dicts")["Build Dependencies"]["blas"]
    name = f"{blas['name']} {blas['version']}"
    folder = Path(str(package.__file__)).parents[1] / f"{package.__name__}.libs"
    for path in sorted(folder.glob("lib*openblas*")):
        library = ctypes.CDLL(str(path))
        for symbol in ("scipy_openblas_get_corename64_", "scipy_openblas_get_corename", "openblas_get_corename"):
            if hasattr(library, symbol):
                call = getattr(library, symbol)
                call.restype = ctypes.c_char_p
                return f"{name} {call().decode()}"
    return name


def cores() -> int:
    """Return the number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
