"""The softmax loss of many rows at once: a lane is a row, so that sums over the classes cross no lanes."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from hpcfl.kernels.thin_turn import LANES, single
from hpcfl.kernels.vectors import Matrix, exp32, first_lanes, fma, log32, shuffle, spread


@intrinsic
def derivative(typingctx, z, i, rows, known, biases, out):
    """Add the biases to outputs ``z[:, i : i + LANES]`` and make them the loss's derivative; return the rows' loss.

    Parameters
    ----------
    z : (k or more, i + LANES or more) float32
        A column is a row's outputs.
    i, rows : int
        Columns past the first `rows` of these become 0.
    known : (2, i + LANES or more) float32
        Labels and weights.
    biases, out : (k,) float32
        The sums of the derivatives are added to `out`.
    """
    n = types.intp
    return types.float64(z, n, n, known, biases, out), single(_emit)


def _emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    z, known, biases, out = (Matrix(context, builder, sig.args[n], args[n]) for n in (0, 3, 4, 5))
    _, i, rows, *_ = args
    vector, number = ir.VectorType(z.element, LANES), i.type
    zeros, inside = ir.Constant(vector, None), first_lanes(builder, rows, LANES)
    labels, weights = (known.load(ir.Constant(number, n), i, vector, inside) for n in (0, 1))
    highest = _add_biases(builder, z, i, inside, biases)
    total, own = _exponentials(builder, z, i, labels, highest, biases.shape[0])
    scale = builder.fdiv(weights, total)
    with cgutils.for_range(builder, biases.shape[0]) as loop:
        here = builder.select(_is(builder, labels, loop.index), weights, zeros)
        delta = fma(builder, z.load(loop.index, i, vector, None), scale, builder.fneg(here))
        delta = builder.select(inside, delta, zeros)
        z.store(delta, loop.index, i, None)
        place = out.at(loop.index)
        builder.store(builder.fadd(builder.load(place), _sum(builder, delta)), place)
    # A flag of its own keeps the product out of multiply-adds, which would round otherwise on another CPU.
    loss = builder.fmul(weights, builder.fsub(log32(builder, total), own), flags=("nsz",))
    return builder.fpext(_sum(builder, builder.select(inside, loss, zeros)), ir.DoubleType())


def _add_biases(builder: Any, z: Any, i: Any, inside: Any, biases: Any) -> Any:
    """Add the biases to the outputs; return the highest output of each row, NaN where one is not finite."""
    vector = ir.VectorType(z.element, LANES)
    zeros = ir.Constant(vector, None)
    top, spoilt = (cgutils.alloca_once(builder, vector, zfill=True) for _ in range(2))
    builder.store(ir.Constant(vector, [-3e38] * LANES), top)
    with cgutils.for_range(builder, biases.shape[0]) as loop:
        bias = spread(builder, builder.load(biases.at(loop.index)), vector)
        value = builder.fadd(z.load(loop.index, i, vector, inside), bias)
        z.store(value, loop.index, i, None)
        high = builder.load(top)
        builder.store(builder.select(builder.fcmp_ordered(">", value, high), value, high), top)
        builder.store(fma(builder, value, zeros, builder.load(spoilt)), spoilt)
    return builder.fadd(builder.load(top), builder.load(spoilt))


def _exponentials(builder: Any, z: Any, i: Any, labels: Any, highest: Any, classes: Any) -> tuple[Any, Any]:
    """Make the outputs exp of their distance to the highest; return a row's sum, and the distance of its label's."""
    vector = highest.type
    total, own = (cgutils.alloca_once(builder, vector, zfill=True) for _ in range(2))
    with cgutils.for_range(builder, classes) as loop:
        value = builder.fsub(z.load(loop.index, i, vector, None), highest)
        e = fma(builder, value, ir.Constant(vector, None), exp32(builder, value))  # exp32 clamps, NaN is to stay
        z.store(e, loop.index, i, None)
        builder.store(builder.fadd(builder.load(total), e), total)
        builder.store(builder.select(_is(builder, labels, loop.index), value, builder.load(own)), own)
    return builder.load(total), builder.load(own)


def _is(builder: Any, labels: Any, c: Any) -> Any:
    """Return whether a row's label is class `c`."""
    return builder.fcmp_ordered("==", labels, spread(builder, builder.sitofp(c, labels.type.element), labels.type))


def _sum(builder: Any, value: Any) -> Any:
    """Return the sum of a vector's lanes, added in a fixed tree."""
    for gap in (8, 4, 2, 1):
        value = builder.fadd(value, shuffle(builder, value, value, [lane ^ gap for lane in range(LANES)]))
    return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))
