"""What a core can do at best: a plain matrix product by BLAS, to hold kernels against."""

from __future__ import annotations

import numpy as np

from hpcfl.kernels.flags import jit


@jit
def product(a, b, c):
    """Write ``a @ b`` to `c`; all contiguous and of one dtype."""
    np.dot(a, b, c)
