"""A tile of a matrix product in registers: the few instructions that Numba's own loops cannot say.

A tile is up to `HEIGHT` rows by `WIDE` vectors of the result, added up along the inner dimension one
fused multiply-add after the other, so that an element's bits depend on its row and its column alone:
not on how many rows the call has, not on the tile it lies in, not on the vector length of the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from hpcfl.kernels.vectors import BYTES, LINE, LONG, Matrix, ask, first_lanes, fma, spread

WIDE = 4 if LONG else 2  # vectors: with 6 rows 24 sums of 32 registers, or 12 of 16
HEIGHTS = (6, 4, 1)  # rows of a tile
A, ROWS, B, FIRST, HEIGHT, LEFT, FULL, ADD, C, ROW, COLUMN = range(11)  # arguments of `tile`


@intrinsic
def tile(typingctx, a, rows, b, i, height, j, full, add, c, row, column):
    """Fill ``c[row.., column..]`` with `height` rows of a product by `WIDE` vectors if `full`, else by one.

    The product is ``a[i : i + height] @ b[:, j..]``; a vector that is longer than the rows of `b` stops at
    their end. If `rows` is not None, it is not `a` but its rows of these numbers, each contiguous, that are
    multiplied. If `add` is True, it is added to what is there. If `add` is a tuple ``slots, top, n``, where
    `slots` has tiles one below the other, the `n` tiles that end before tile `top` are added, the last one first.
    """
    n, yes = types.intp, types.boolean
    kind = add if isinstance(add, types.BaseTuple) else yes
    return types.void(a, rows, b, n, n, n, yes, kind, c, n, n), _shapes


def _shapes(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Emit a tile of each shape."""
    for height in HEIGHTS:
        there = builder.icmp_signed("==", args[HEIGHT], ir.Constant(args[HEIGHT].type, height))
        with builder.if_then(there), builder.if_else(args[FULL]) as (wide, narrow):
            with wide:
                _product(context, builder, sig, args, height, WIDE)
            with narrow:
                _product(context, builder, sig, args, height, 1)
    return context.get_dummy_value()


def _product(context: Any, builder: Any, sig: Any, args: Any, height: int, vectors: int) -> None:
    right, out = (Matrix(context, builder, sig.args[n], args[n]) for n in (B, C))
    vector = ir.VectorType(out.element, BYTES // out.size)
    source, target = (steps(builder, args[n], vectors, vector.count) for n in (LEFT, COLUMN))
    mask = first_lanes(builder, builder.sub(right.shape[1], args[LEFT]), vector.count) if vectors == 1 else None
    sums = [[cgutils.alloca_once(builder, vector) for _ in range(vectors)] for _ in range(height)]
    places = [
        (r, c, total)
        for r, totals in zip(steps(builder, args[ROW], height), sums, strict=True)
        for c, total in zip(target, totals, strict=True)
    ]
    for _, _, total in places:
        builder.store(ir.Constant(vector, None), total)
    tree = isinstance(sig.args[ADD], types.BaseTuple)
    if not tree:
        with builder.if_then(args[ADD]):
            for r, c, total in places:
                builder.store(out.load(r, c, vector, mask), total)
    with _columns(context, builder, sig, args, height) as (k, values):
        factors = [right.load(k, c, vector, mask) for c in source]
        for value, totals in zip(values, sums, strict=True):
            every = spread(builder, context.cast(builder, value, sig.args[A].dtype, sig.args[C].dtype), vector)
            for factor, total in zip(factors, totals, strict=True):
                builder.store(fma(builder, every, factor, builder.load(total)), total)
    if tree:
        _merge(context, builder, sig.args[ADD], args[ADD], sums, mask)
    for r, c, total in places:
        out.store(builder.load(total), r, c, mask)


def _merge(context: Any, builder: Any, kind: Any, value: Any, sums: list[list[Any]], mask: Any) -> None:
    """Add tiles from a stack to `sums`, the one on top first."""
    array, top, n = (builder.extract_value(value, place) for place in range(3))
    slots, vector = Matrix(context, builder, kind.types[0], array), builder.load(sums[0][0]).type
    with cgutils.for_range(builder, n) as loop:
        below = builder.sub(top, builder.add(loop.index, ir.Constant(n.type, 1)))
        first = builder.mul(below, ir.Constant(n.type, len(sums)))
        columns = steps(builder, ir.Constant(n.type, 0), len(sums[0]), vector.count)
        for row, totals in zip(steps(builder, first, len(sums)), sums, strict=True):
            for column, total in zip(columns, totals, strict=True):
                earlier = slots.load(row, column, vector, mask)
                builder.store(builder.fadd(earlier, builder.load(total)), total)


def steps(builder: Any, start: Any, n: int, step: int = 1) -> list[Any]:
    """Return ``start + step * k`` for the first `n` numbers k."""
    return [builder.add(start, ir.Constant(start.type, step * k)) for k in range(n)]


@contextmanager
def _columns(context: Any, builder: Any, sig: Any, args: Any, height: int) -> Iterator[tuple[Any, list[Any]]]:
    """Loop over the inner dimension: its index, and a column of the left tile."""
    left, across = Matrix(context, builder, sig.args[A], args[A]), steps(builder, args[FIRST], height)
    if isinstance(sig.args[ROWS], types.NoneType):
        with cgutils.for_range(builder, left.shape[1]) as loop:
            yield loop.index, [builder.load(left.at(r, loop.index)) for r in across]
        return
    with drawn(builder, left, Matrix(context, builder, sig.args[ROWS], args[ROWS]), across) as inside:
        yield inside


@contextmanager
def drawn(builder: Any, left: Matrix, numbers: Matrix, across: list[Any]) -> Iterator[tuple[Any, list[Any]]]:
    """Loop over the columns of the rows of `left` at `across` in `numbers`; as many that follow are asked for."""
    n = across[0].type
    number = lambda place: builder.sext(builder.load(numbers.at(place)), n)  # noqa: E731
    zero, last = ir.Constant(n, 0), builder.sub(numbers.shape[0], ir.Constant(n, 1))
    after = [least(builder, builder.add(r, ir.Constant(n, len(across))), last) for r in across]
    starts, following = ([left.at(number(r), zero) for r in rows] for rows in (across, after))
    line = ir.Constant(n, LINE // left.size)
    with cgutils.for_range_slice(builder, zero, left.shape[1], line, n) as (first, _):
        for place in following:  # rows drawn at random lie where no hardware looks ahead
            ask(builder, builder.gep(place, [first]))
        stop = least(builder, builder.add(first, line), left.shape[1])
        with cgutils.for_range(builder, stop, start=first) as loop:
            yield loop.index, [builder.load(builder.gep(place, [loop.index])) for place in starts]


def least(builder: Any, a: Any, b: Any) -> Any:
    """Return the smaller of two integers."""
    return builder.select(builder.icmp_signed("<", a, b), a, b)
