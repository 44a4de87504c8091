"""The jit flags of every kernel, and the cache they share.

`jit` may reorder sums (which is what vectorizes them) and contract multiply-adds, but keeps NaN
and infinity meaningful; `exact` keeps the order of operations as written.

Numba keys a cached kernel by its own file and does not see edits in another file that it calls.
So the cache lies in a folder named after a hash of all kernel files: any edit starts afresh, and
kernels may share small jitted functions. ``NUMBA_CACHE_DIR`` moves it (on a cluster: to a
node-local disk).
"""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from typing import Any

# One BLAS thread a rank: set before SciPy's OpenBLAS is loaded by the first np.dot in a kernel.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numba


def cache_folder() -> Path:
    """Return where compiled kernels of this version of the kernel files are kept."""
    digest = blake2b(digest_size=6)
    for path in sorted(Path(__file__).parent.glob("**/*.py")):
        digest.update(path.read_bytes())
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    base = os.environ.get("NUMBA_CACHE_DIR") or os.path.join(home, "hpcfl")
    return Path(base) / f"kernels-{digest.hexdigest()}"


setattr(numba.config, "CACHE_DIR", str(cache_folder()))  # noqa: B010 (the type checker does not know it)

FAST = {"reassoc", "nsz", "contract", "arcp"}
# No kernel is called from C (see `typed`), which saves making an entry for that.
KERNEL: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
jit = numba.njit(fastmath=FAST, **KERNEL)
exact = numba.njit(**KERNEL)
# `jit` and `exact` for a function that is part of other kernels. A process that has just compiled a kernel may run
# another copy of what it calls than one that loads it from the cache, with sums in another order; with no calls left
# there is one copy.
part = numba.njit(fastmath=FAST, forceinline=True, **KERNEL)
exact_part = numba.njit(forceinline=True, **KERNEL)
