"""Sums of outer products: the larger part of the work of alternating least squares.

BLAS takes three times as long for matrices this small, and half of what it computes is not
needed. So a tile of 4 rows of the result by 64 bytes is kept in registers over all rows of the
block, which Numba's own loops cannot say; its few instructions are written in LLVM's language.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from hpcfl.kernels.flags import part

BLOCK = 256  # rows that are gathered at once: with 32 factors 32 kB, a first-level cache
PAD = 16  # columns of a block come in multiples of this
TILE = 4  # with 64 bytes a row, 8 sums of AVX2's size: as many as keep two multipliers busy


@part
def add_gram(block: np.ndarray, rows: int, gram: np.ndarray) -> None:
    """Add ``block[:rows].T @ block[:rows]`` to `gram`, on and above its diagonal.

    Each element is added up row by row, so its bits depend on no machine that has fused
    multiply-adds.

    Parameters
    ----------
    block : (BLOCK, k) float, k a multiple of PAD
    rows : int
    gram : (k, k) float
        Changed in place; below the diagonal it is undefined.
    """
    lanes = 64 // block.itemsize
    for i in range(0, gram.shape[0], TILE):
        for j in range(i // lanes * lanes, gram.shape[0], lanes):
            _tile(block, rows, i, j, gram)  # type: ignore[call-arg]


@intrinsic
def _tile(typingctx: Any, block: Any, rows: Any, i: Any, j: Any, gram: Any) -> Any:
    """Add to ``gram[i : i + TILE, j : j + lanes]``."""
    return types.void(block, types.intp, types.intp, types.intp, gram), _emit


def _emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    block, gram = (make_array(sig.args[n])(context, builder, args[n]) for n in (0, 4))
    rows, i, j = args[1:4]
    width = cgutils.unpack_tuple(builder, block.shape)[1]
    element = context.get_data_type(sig.args[0].dtype)
    size = context.get_abi_sizeof(element)
    vector = ir.VectorType(element, 64 // size)

    def vector_at(base: Any, row: Any) -> Any:
        place = builder.gep(base, [builder.add(builder.mul(row, width), j)])
        return builder.bitcast(place, vector.as_pointer())

    down = [builder.add(i, ir.Constant(i.type, a)) for a in range(TILE)]
    sums = [cgutils.alloca_once(builder, vector) for _ in down]
    for row, total in zip(down, sums, strict=True):
        builder.store(builder.load(vector_at(gram.data, row), align=size), total)
    with cgutils.for_range(builder, rows) as loop:
        right = builder.load(vector_at(block.data, loop.index), align=size)
        for row, total in zip(down, sums, strict=True):
            left = builder.load(builder.gep(block.data, [builder.add(builder.mul(loop.index, width), row)]))
            product = builder.fmul(_spread(builder, left, vector), right, flags=("contract",))
            builder.store(builder.fadd(product, builder.load(total), flags=("contract",)), total)
    for row, total in zip(down, sums, strict=True):
        builder.store(builder.load(total), vector_at(gram.data, row), align=size)
    return context.get_dummy_value()


def _spread(builder: Any, value: Any, vector: Any) -> Any:
    """Return a vector of which every element is `value`."""
    none = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(none, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, none, ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None))
