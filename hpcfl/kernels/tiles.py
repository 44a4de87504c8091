"""A tile of a matrix product in registers: the few instructions that Numba's own loops cannot say.

A tile is up to `HEIGHT` rows by `WIDE` vectors of the result, added up along the inner dimension one
fused multiply-add after the other, so that an element's bits depend on its row and its column alone:
not on how many rows the call has, not on the tile it lies in, not on the vector length of the CPU.
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

LONG = bool(binding.get_host_cpu_features().get("avx512f", False))
BYTES = 64 if LONG else 32  # of a vector
WIDE = 4 if LONG else 2  # vectors: with 6 rows 24 sums of 32 registers, or 12 of 16
HEIGHT = 6
LINE = 64  # bytes of a cache line


def _tile(height: int, vectors: int) -> Any:
    """Return the intrinsic of a tile of `height` rows by `vectors` vectors."""

    @intrinsic
    def tile(typingctx: Any, a: Any, b: Any, i: Any, j: Any, add: Any, c: Any, row: Any, column: Any) -> Any:
        """``c[row.., column..] = a[i : i + height] @ b[:, j..]``, added if `add`; the end of `b`'s rows is kept."""

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return _product(context, builder, sig, args, height, vectors)

        return types.void(a, b, types.intp, types.intp, types.boolean, c, types.intp, types.intp), emit

    return tile


def _product(context: Any, builder: Any, sig: Any, args: Any, height: int, vectors: int) -> Any:
    left, right, out = (_Matrix(context, builder, sig.args[n], args[n]) for n in (0, 1, 5))
    _, _, i, j, add, _, row, column = args
    lanes = BYTES // left.size
    vector = ir.VectorType(left.element, lanes)
    source, target = ([builder.add(n, ir.Constant(n.type, lanes * v)) for v in range(vectors)] for n in (j, column))
    mask = _mask(builder, builder.sub(right.shape[1], j), lanes) if vectors == 1 else None
    above, below = ([builder.add(n, ir.Constant(n.type, r)) for r in range(height)] for n in (i, row))
    sums = [[cgutils.alloca_once(builder, vector) for _ in range(vectors)] for _ in range(height)]
    places = [
        (r, c, total) for r, totals in zip(below, sums, strict=True) for c, total in zip(target, totals, strict=True)
    ]
    for _, _, total in places:
        builder.store(ir.Constant(vector, None), total)
    with builder.if_then(add):
        for r, c, total in places:
            builder.store(out.load(r, c, vector, mask), total)
    fma = _declare(builder, f"llvm.fma.{_name(vector)}", ir.FunctionType(vector, [vector] * 3))
    with cgutils.for_range(builder, left.shape[1]) as loop:
        factors = [right.load(loop.index, c, vector, mask) for c in source]
        for r, totals in zip(above, sums, strict=True):
            value = _spread(builder, builder.load(left.at(r, loop.index)), vector)
            for factor, total in zip(factors, totals, strict=True):
                builder.store(builder.call(fma, [value, factor, builder.load(total)]), total)
    for r, c, total in places:
        out.store(builder.load(total), r, c, mask)
    return context.get_dummy_value()


class _Matrix:
    """A matrix argument of an intrinsic: addresses, and vectors along its rows."""

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any) -> None:
        self.builder, array = builder, make_array(kind)(context, builder, value)
        self.element = context.get_data_type(kind.dtype)
        self.size = context.get_abi_sizeof(self.element)
        self.data = builder.bitcast(array.data, cgutils.voidptr_t)
        self.shape = cgutils.unpack_tuple(builder, array.shape)
        self.strides = cgutils.unpack_tuple(builder, array.strides)
        for axis, layout in ((1, "C"), (0, "F")):
            if kind.layout == layout:
                self.strides[axis] = ir.Constant(self.strides[axis].type, self.size)

    def at(self, row: Any, column: Any) -> Any:
        """Return the address of an element."""
        down, along = (self.builder.mul(n, s) for n, s in zip((row, column), self.strides, strict=True))
        place = self.builder.gep(self.data, [self.builder.add(down, along)])
        return self.builder.bitcast(place, self.element.as_pointer())

    def load(self, row: Any, column: Any, vector: Any, mask: Any) -> Any:
        """Return the vector that starts at an element."""
        place = self.builder.bitcast(self.at(row, column), vector.as_pointer())
        if mask is None:
            return self.builder.load(place, align=self.size)
        kind = ir.FunctionType(vector, [place.type, ir.IntType(32), mask.type, vector])
        load = _declare(self.builder, f"llvm.masked.load.{_name(vector)}.p0", kind)
        return self.builder.call(load, [place, ir.Constant(ir.IntType(32), self.size), mask, ir.Constant(vector, None)])

    def store(self, value: Any, row: Any, column: Any, mask: Any) -> None:
        """Store a vector from an element on."""
        place = self.builder.bitcast(self.at(row, column), value.type.as_pointer())
        if mask is None:
            self.builder.store(value, place, align=self.size)
            return
        kind = ir.FunctionType(ir.VoidType(), [value.type, place.type, ir.IntType(32), mask.type])
        store = _declare(self.builder, f"llvm.masked.store.{_name(value.type)}.p0", kind)
        self.builder.call(store, [value, place, ir.Constant(ir.IntType(32), self.size), mask])


def _mask(builder: Any, left: Any, lanes: int) -> Any:
    """Return the first `left` of the lanes."""
    index = ir.VectorType(left.type, lanes)
    return builder.icmp_signed("<", ir.Constant(index, list(range(lanes))), _spread(builder, left, index))


def _spread(builder: Any, value: Any, vector: Any) -> Any:
    """Return a vector of which every element is `value`."""
    none = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(none, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, none, ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None))


def _name(vector: Any) -> str:
    return f"v{vector.count}f{32 if isinstance(vector.element, ir.FloatType) else 64}"


def _declare(builder: Any, name: str, kind: Any) -> Any:
    return builder.module.globals.get(name) or ir.Function(builder.module, kind, name)


@intrinsic
def prefetch(typingctx: Any, x: Any, row: Any) -> Any:
    """Ask for a row of `x` ahead of its use: rows drawn at random lie where no hardware looks ahead."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        table = _Matrix(context, builder, sig.args[0], args[0])
        start = builder.bitcast(table.at(args[1], ir.Constant(args[1].type, 0)), cgutils.voidptr_t)
        line, kind = ir.Constant(args[1].type, LINE), ir.IntType(32)
        lines = builder.udiv(builder.mul(table.shape[1], ir.Constant(line.type, table.size)), line)
        ask = _declare(builder, "llvm.prefetch.p0", ir.FunctionType(ir.VoidType(), [start.type, kind, kind, kind]))
        with cgutils.for_range(builder, lines) as loop:
            place = builder.gep(start, [builder.mul(loop.index, line)])
            builder.call(ask, [place, *(ir.Constant(kind, n) for n in (0, 2, 1))])  # to read, second level, data
        return context.get_dummy_value()

    return types.void(x, types.intp), emit


TILES = {(h, v): _tile(h, v) for h in (6, 4, 2, 1) for v in (WIDE, 1)}
