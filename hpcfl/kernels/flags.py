"""The jit flags of every kernel, in one place.

`jit` may reorder sums (which is what vectorizes them) and contract multiply-adds, but keeps NaN
and infinity meaningful; `exact` keeps the order of operations as written.
"""

from __future__ import annotations

import os

# One BLAS thread a rank: set before SciPy's OpenBLAS is loaded by the first np.dot in a kernel.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from numba import njit

jit = njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "nsz", "contract", "arcp"})
exact = njit(cache=True, nogil=True, error_model="numpy")
