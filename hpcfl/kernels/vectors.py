"""Matrices and vectors in the compiler's own language, for what Numba's loops cannot say."""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir
from numba.core import cgutils
from numba.np.arrayobj import make_array

LONG = bool(binding.get_host_cpu_features().get("avx512f", False))
BYTES = 64 if LONG else 32  # of a vector
LINE = 64  # bytes of a cache line


class Matrix:
    """A matrix argument of an intrinsic: addresses, and vectors along its rows.

    Attributes
    ----------
    shape, strides : list
        LLVM values; strides in bytes, constants where the layout knows them.
    element : LLVM type
    size : int
        Bytes of an element.
    """

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any) -> None:
        self.builder, array = builder, make_array(kind)(context, builder, value)
        self.element = context.get_data_type(kind.dtype)
        self.size = context.get_abi_sizeof(self.element)
        self.data = builder.bitcast(array.data, cgutils.voidptr_t)
        self.shape = cgutils.unpack_tuple(builder, array.shape)
        self.strides = cgutils.unpack_tuple(builder, array.strides)
        for axis, layout in ((len(self.shape) - 1, "C"), (0, "F")):
            if kind.layout == layout:
                self.strides[axis] = ir.Constant(self.strides[axis].type, self.size)

    def at(self, *index: Any) -> Any:
        """Return the address of an element."""
        place = self.data
        for n, stride in zip(index, self.strides, strict=True):
            place = self.builder.gep(place, [self.builder.mul(n, stride)])
        return self.builder.bitcast(place, self.element.as_pointer())

    def load(self, row: Any, column: Any, vector: Any, mask: Any) -> Any:
        """Return the vector that starts at an element."""
        return masked(self.builder, self.at(row, column), vector, mask)

    def store(self, value: Any, row: Any, column: Any, mask: Any) -> None:
        """Store a vector from an element on."""
        if mask is None:
            keep(self.builder, value, self.at(row, column))
            return
        place = self.builder.bitcast(self.at(row, column), value.type.as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [value.type, place.type, ir.IntType(32), mask.type])
        store = declare(self.builder, f"llvm.masked.store.{name(value.type)}.p0", kind)
        self.builder.call(store, [value, place, ir.Constant(ir.IntType(32), self.size), mask])


def masked(builder: Any, place: Any, vector: Any, mask: Any) -> Any:
    """Return the vector at an address; where there is a mask that leaves lanes out, those are 0 and are not read."""
    place, size = builder.bitcast(place, vector.as_pointer()), 4 if isinstance(vector.element, ir.FloatType) else 8
    if mask is None:
        return builder.load(place, align=size)
    kind = ir.FunctionType(vector, [place.type, ir.IntType(32), mask.type, vector])
    load = declare(builder, f"llvm.masked.load.{name(vector)}.p0", kind)
    return builder.call(load, [place, ir.Constant(ir.IntType(32), size), mask, ir.Constant(vector, None)])


def keep(builder: Any, value: Any, place: Any) -> None:
    """Store a vector at an address."""
    size = 4 if isinstance(value.type.element, ir.FloatType) else 8
    builder.store(value, builder.bitcast(place, value.type.as_pointer()), align=size)


def first_lanes(builder: Any, left: Any, lanes: int) -> Any:
    """Return the mask of the first `left` of the lanes."""
    index = ir.VectorType(left.type, lanes)
    return builder.icmp_signed("<", ir.Constant(index, list(range(lanes))), spread(builder, left, index))


def spread(builder: Any, value: Any, vector: Any) -> Any:
    """Return a vector of which every element is `value`."""
    none = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(none, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, none, ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None))


def shuffle(builder: Any, a: Any, b: Any, lanes: list[int]) -> Any:
    """Return the vector of these lanes of `a` and, numbered on from its last one, of `b`."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes))


def call(builder: Any, function: str, *args: Any, flags: tuple[str, ...] = ()) -> Any:
    """Return what LLVM's function on vectors ``llvm.FUNCTION`` makes of vectors; a reduction gives one element."""
    kind = args[-1].type
    result = kind.element if "reduce" in function else kind
    declared = declare(builder, f"llvm.{function}.{name(kind)}", ir.FunctionType(result, [a.type for a in args]))
    return builder.call(declared, args, fastmath=flags)


def exp32(builder: Any, x: Any) -> Any:
    """Return exp of a vector of float32, the numbers of `hpcfl.kernels.loss.exp32`; NaN is taken for the least one."""
    constant = lambda v: ir.Constant(x.type, [v] * x.type.count)  # noqa: E731
    for sign, bound in ((">", -87.0), ("<", 88.0)):
        x = builder.select(builder.fcmp_ordered(sign, x, constant(bound)), x, constant(bound))
    n = call(builder, "floor", fma(builder, x, constant(1.44269504), constant(0.5)))
    r = fma(builder, n, constant(2.12194440e-4), fma(builder, n, constant(-0.693359375), x))
    p = constant(1.9875691500e-4)
    for c in (1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1):
        p = fma(builder, p, r, constant(c))
    p = fma(builder, builder.fmul(p, r), r, builder.fadd(r, constant(1.0)))
    whole = ir.VectorType(ir.IntType(32), x.type.count)
    power = builder.add(builder.fptosi(n, whole), ir.Constant(whole, [127] * x.type.count))
    power = builder.shl(power, ir.Constant(whole, [23] * x.type.count))
    return builder.fmul(p, builder.bitcast(power, x.type))


def log32(builder: Any, x: Any) -> Any:
    """Return log of a vector of float32 from 1 on, to 1e-7 relative; NaN stays.

    With x = 2^n m, m in [1, 2), and s = (m - 1) / (m + 1), it is n ln 2 + 2 (s + s^3 / 3 + s^5 / 5 + ...).
    """
    constant = lambda v: ir.Constant(x.type, [v] * x.type.count)  # noqa: E731
    whole = ir.VectorType(ir.IntType(32), x.type.count)
    integer = lambda v: ir.Constant(whole, [v] * x.type.count)  # noqa: E731
    bits = builder.bitcast(x, whole)
    n = builder.sitofp(builder.sub(builder.lshr(bits, integer(23)), integer(127)), x.type)
    m = builder.bitcast(builder.or_(builder.and_(bits, integer(0x7FFFFF)), integer(0x3F800000)), x.type)
    s = builder.fdiv(builder.fsub(m, constant(1.0)), builder.fadd(m, constant(1.0)))
    u = builder.fmul(s, s)
    p = constant(1 / 15)
    for d in (13, 11, 9, 7, 5, 3):
        p = fma(builder, p, u, constant(1 / d))
    p = fma(builder, builder.fmul(p, u), s, s)
    log = fma(builder, n, constant(0.69314718056), builder.fadd(p, p))
    return builder.fadd(log, builder.fsub(x, x))


def fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a * b + c, rounded once."""
    function = declare(builder, f"llvm.fma.{name(c.type)}", ir.FunctionType(c.type, [c.type] * 3))
    return builder.call(function, [a, b, c])


def ask(builder: Any, place: Any) -> None:
    """Ask for the cache line of an address ahead of its use."""
    place, kind = builder.bitcast(place, cgutils.voidptr_t), ir.IntType(32)
    call = declare(builder, "llvm.prefetch.p0", ir.FunctionType(ir.VoidType(), [place.type, kind, kind, kind]))
    builder.call(call, [place, *(ir.Constant(kind, n) for n in (0, 2, 1))])  # to read, second level, data


def name(vector: Any) -> str:
    """Return how LLVM's functions name a vector type."""
    return f"v{vector.count}f{32 if isinstance(vector.element, ir.FloatType) else 64}"


def declare(builder: Any, function: str, kind: Any) -> Any:
    """Return one of LLVM's own functions."""
    return builder.module.globals.get(function) or ir.Function(builder.module, kind, function)
