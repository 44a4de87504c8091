"""Softmax regression on few classes and few rows, from table to gradient without leaving the registers.

The outputs of a row are one vector, so the loss makes no pass over memory. A step of ten rows took twice as long as
matrix products and a loss, each of which takes a while to start.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from hpcfl.kernels.flags import part
from hpcfl.kernels.tiles import least, steps
from hpcfl.kernels.vectors import Matrix, call, exp32, first_lanes, fma, log32, spread
from hpcfl.kernels.views import matrix

LANES = 16  # of a vector of float32, which is two where the CPU's are shorter
LEAST, MOST = 5, 10  # rows that it pays for


@part
def serves(classes, rows, x, w):
    """Return whether `softmax_grad` is for so many classes and rows of the table `x`."""
    return classes <= LANES and LEAST <= rows <= MOST and w.itemsize == x.itemsize == 4


@part
def softmax_grad(w, x, y, rows, classes, grad):
    """Do what `network.loss_grad` does for one layer and rows that are neither shifted nor scaled.

    As in a matrix product, an element of the gradient is one chain of multiply-adds, in the order of the rows.
    """
    n = x.shape[1] + 1  # the biases are the last row
    return _block(matrix(w, 0, n, classes), x, y, rows, matrix(grad, 0, n, classes))


@intrinsic
def _block(typingctx, w, x, y, rows, grad):
    """Write the gradient of `MOST` rows, fewer of which have a weight; return their loss."""
    return types.float64(w, x, y, rows, grad), _emit


def _emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    w, x, y, rows, grad = (Matrix(context, builder, sig.args[n], args[n]) for n in range(5))
    if w.size != 4:
        return ir.Constant(ir.DoubleType(), 0.0)  # not called
    mask = first_lanes(builder, w.shape[1], LANES)
    # Rows past the last one are the last one once more, without weight.
    one = ir.Constant(rows.shape[0].type, 1)
    last = builder.sub(rows.shape[0], one)
    places = steps(builder, ir.Constant(one.type, 0), MOST)
    inside = [builder.icmp_signed("<=", n, last) for n in places]
    places = [least(builder, n, last) for n in places]
    convert = lambda value: context.cast(builder, value, sig.args[1].dtype, sig.args[0].dtype)  # noqa: E731
    zero = ir.Constant(one.type, 0)
    starts = [x.at(builder.sext(builder.load(rows.at(place)), zero.type), zero) for place in places]
    z = _outputs(builder, w, x, starts, mask, convert)
    found = [
        _derivative(builder, row, y, builder.sext(builder.load(rows.at(n)), n.type), there, mask)
        for n, there, row in zip(places, inside, z, strict=True)
    ]
    deltas, *parts = (list(values) for values in zip(*found, strict=True))
    _back(builder, x, starts, deltas, grad, mask, convert)
    return _loss(builder, *parts)


def _outputs(builder: Any, w: Any, x: Any, starts: list[Any], mask: Any, convert: Any) -> list[Any]:
    """Return the outputs of each row, a vector; `starts` are the rows' addresses."""
    vector, zero = ir.VectorType(w.element, LANES), ir.Constant(x.shape[1].type, 0)
    sums = [cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for _ in starts]
    with cgutils.for_range(builder, x.shape[1]) as loop:
        weights = w.load(loop.index, zero, vector, mask)
        for start, total in zip(starts, sums, strict=True):
            value = spread(builder, convert(builder.load(builder.gep(start, [loop.index]))), vector)
            builder.store(fma(builder, value, weights, builder.load(total)), total)
    biases = w.load(x.shape[1], zero, vector, mask)
    return [builder.fadd(builder.load(total), biases) for total in sums]


def _derivative(builder: Any, z: Any, y: Any, row: Any, there: Any, mask: Any) -> tuple[Any, Any, Any, Any]:
    """Return the derivative of a row's loss by its outputs, and what `_loss` takes.

    A row that is not `there` weighs nothing.
    """
    vector, number = z.type, row.type
    every = lambda value: spread(builder, value, vector)  # noqa: E731
    nothing, lowest = ir.Constant(vector, None), ir.Constant(vector, [-3e38] * LANES)
    target, weight = (builder.load(y.at(row, ir.Constant(number, n))) for n in (0, 1))
    weight = builder.select(there, weight, ir.Constant(vector.element, 0.0))
    lanes = ir.VectorType(ir.IntType(32), LANES)
    label = spread(builder, builder.fptosi(target, lanes.element), lanes)
    own = builder.icmp_signed("==", ir.Constant(lanes, list(range(LANES))), label)
    ordered = builder.and_(mask, builder.fcmp_ordered("ord", z, z))
    top = call(builder, "vector.reduce.fmax", builder.select(ordered, z, lowest), flags=("nnan",))
    z = builder.fsub(z, every(top))
    # exp32 clamps: NaN, and infinity less itself, are to stay, and make the whole row NaN.
    e = builder.select(mask, builder.fadd(exp32(builder, z), builder.fmul(z, nothing)), nothing)
    total, label_z = (
        call(builder, "vector.reduce.fadd", ir.Constant(vector.element, 0.0), v, flags=("reassoc",))
        for v in (e, builder.select(own, z, nothing))
    )
    delta = builder.fmul(e, every(builder.fdiv(weight, total)))
    delta = builder.fsub(delta, builder.select(own, every(weight), nothing))
    return delta, total, label_z, weight


def _loss(builder: Any, totals: list[Any], label_z: list[Any], weights: list[Any]) -> Any:
    """Return the loss of all rows: the weight of each times the log of its total less its label's output.

    The logs of all rows at once: for a function's call each, all vectors would have to leave the registers.
    """
    vector = ir.VectorType(totals[0].type, LANES)
    total, own, weight = (ir.Constant(vector, [start] * LANES) for start in (1.0, 0.0, 0.0))
    for n, (a, b, c) in enumerate(zip(totals, label_z, weights, strict=True)):
        lane = ir.Constant(ir.IntType(32), n)
        total, own, weight = (
            builder.insert_element(v, value, lane) for v, value in ((total, a), (own, b), (weight, c))
        )
    losses = builder.fmul(weight, builder.fsub(log32(builder, total), own))
    wide = ir.VectorType(ir.DoubleType(), LANES)
    return call(builder, "vector.reduce.fadd", ir.Constant(wide.element, 0.0), builder.fpext(losses, wide))


def _back(builder: Any, x: Any, starts: list[Any], deltas: list[Any], grad: Any, mask: Any, convert: Any) -> None:
    """Write the products of the rows' features with their derivatives, and the derivatives' sum below."""
    vector, zero = deltas[0].type, ir.Constant(x.shape[1].type, 0)
    with cgutils.for_range(builder, x.shape[1]) as loop:
        total = ir.Constant(vector, None)
        for start, delta in zip(starts, deltas, strict=True):
            value = convert(builder.load(builder.gep(start, [loop.index])))
            total = fma(builder, spread(builder, value, vector), delta, total)
        grad.store(total, loop.index, zero, mask)
    grad.store(reduce(builder.fadd, deltas), x.shape[1], zero, mask)
