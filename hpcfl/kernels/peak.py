"""What a core can do at best, to hold kernels against: multiply-adds in registers; and BLAS's matrix product."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from hpcfl.kernels.flags import jit
from hpcfl.kernels.vectors import BYTES, fma, spread

CHAINS = 12  # multiply-adds under way at once: cores begin two a cycle, and each takes four or five


@jit
def product(a, b, c):
    """Write ``a @ b`` to `c`; all contiguous and of one dtype."""
    np.dot(a, b, c)


@jit
def multiply_adds(x, rounds):
    """Make `CHAINS` vectors of multiply-adds `rounds` times, of a float `x`; return what they come to."""
    return _chains(x, rounds)


def flops(itemsize: int, rounds: int) -> int:
    """Return the operations that `multiply_adds` makes with numbers of so many bytes."""
    return 2 * CHAINS * (BYTES // itemsize) * rounds


@intrinsic
def _chains(typingctx: Any, x: Any, rounds: Any) -> Any:
    """Return the sum of the first elements of all chains."""
    return x(x, types.intp), _emit


def _emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    element = context.get_data_type(sig.args[0])
    factor = spread(builder, args[0], ir.VectorType(element, BYTES // context.get_abi_sizeof(element)))
    sums = [cgutils.alloca_once_value(builder, factor) for _ in range(CHAINS)]
    with cgutils.for_range(builder, args[1]):
        for chain in sums:
            builder.store(fma(builder, builder.load(chain), factor, factor), chain)
    firsts = [builder.extract_element(builder.load(chain), ir.Constant(ir.IntType(32), 0)) for chain in sums]
    total = firsts[0]
    for first in firsts[1:]:
        total = builder.fadd(total, first)
    return total
