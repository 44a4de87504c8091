"""Tiles of softmax regression whose vectors lie over the features: outputs of a few rows, gradients of a few classes.

An output is added up in `LANES` chains of multiply-adds, one a lane, and then across the lanes in one fixed order; an
element of the gradient is one chain in the order of the rows. So neither depends on the tile it lies in, nor on the
vector length of the CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from hpcfl.kernels.thin_turn import CLASSES, LANES, part_of, single
from hpcfl.kernels.tiles import steps
from hpcfl.kernels.vectors import LONG, Matrix, ask, first_lanes, fma, keep, masked, shuffle, spread

HEIGHT = 4  # rows of a tile of outputs
# In 32 registers of 64 bytes a round adds up 20 vectors, with 9 loads for 20 multiply-adds; in 16 of 32 bytes 5 of two.
TOGETHER = 4 if LONG else 1  # rows of a round of outputs
WIDE = 4 if LONG else 1  # vectors of a round of gradients


@intrinsic
def address(typingctx, array):
    """Return where the elements of an array start."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array = Matrix(context, builder, sig.args[0], args[0])
        return builder.ptrtoint(array.data, ir.IntType(64))

    return types.int64(array), emit


@intrinsic
def outputs(typingctx, places, i, weights, j, features, z):
    """Write outputs ``z[j : j + CLASSES, i : i + HEIGHT]`` of rows at `places`, and ask for the rows after them.

    Parameters
    ----------
    places : (i + 2 * HEIGHT or more,) int64
        Addresses of rows of float32.
    i, j, features : int
    weights : (n,) float32
        In the order of `part_of`.
    z : (j + CLASSES or more, i + HEIGHT or more) float32
    """
    n = types.intp
    return types.void(places, n, weights, n, n, z), single(_outputs)


@intrinsic
def gradients(typingctx, places, rows, z, j, features, add, out):
    """Write, or if `add` add, to classes j to j + `CLASSES` of `out` the sum of rows times what `z` has for them.

    Arguments are as in `outputs`; `out`, (n,) float32, is in the order of `part_of`.
    """
    n = types.intp
    return types.void(places, n, z, n, n, types.boolean, out), single(_gradients)


def _outputs(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    places, weights, z = (Matrix(context, builder, sig.args[n], args[n]) for n in (0, 2, 5))
    _, i, _, j, features, _ = args
    vector, pointer = ir.VectorType(z.element, LANES), z.element.as_pointer()
    rows, after = (
        [builder.inttoptr(builder.load(places.at(r)), pointer) for r in steps(builder, first, HEIGHT)]
        for first in (i, builder.add(i, ir.Constant(i.type, HEIGHT)))
    )
    factor = part_of(builder, weights, features, j)
    sums = [[cgutils.alloca_once(builder, vector, zfill=True) for _ in rows] for _ in range(CLASSES)]
    for first in range(0, HEIGHT, TOGETHER):
        of = slice(first, first + TOGETHER)

        def step(column: Any, mask: Any, of: slice = of) -> None:
            values = [masked(builder, builder.gep(row, [column]), vector, mask) for row in rows[of]]
            for place in after[of]:
                ask(builder, builder.gep(place, [column]))
            for n, totals in enumerate(sums):
                weight = masked(builder, factor(column, n), vector, None)
                for value, total in zip(values, totals[of], strict=True):
                    builder.store(fma(builder, value, weight, builder.load(total)), total)

        _along(builder, features, step)
    for c, totals in zip(steps(builder, j, CLASSES), sums, strict=True):
        z.store(_across(builder, [builder.load(total) for total in totals]), c, i, None)
    return context.get_dummy_value()


def _along(builder: Any, features: Any, step: Callable[[Any, Any], None]) -> None:
    """Emit `step` at each vector of the features: its first one, and the mask of the last vector if it is shorter."""
    n = features.type
    whole = builder.and_(features, ir.Constant(n, -LANES))
    with cgutils.for_range_slice(builder, ir.Constant(n, 0), whole, ir.Constant(n, LANES), n) as (column, _):
        step(column, None)
    left = builder.sub(features, whole)
    with builder.if_then(builder.icmp_signed(">", left, ir.Constant(n, 0))):
        step(whole, first_lanes(builder, left, LANES))


def _across(builder: Any, sums: list[Any]) -> Any:
    """Return the sums of four vectors over their lanes: lane n and n + 8 first, then n and n + 4, and so on."""
    pick = lambda a, b, lanes: shuffle(builder, a, b, lanes)  # noqa: E731
    run = lambda *starts: [s + n for s in starts for n in range(LANES // len(starts))]  # noqa: E731
    halves = [builder.fadd(pick(a, b, run(0, 16)), pick(a, b, run(8, 24))) for a, b in (sums[:2], sums[2:])]
    low, high = halves
    total = builder.fadd(pick(low, high, run(0, 8, 16, 24)), pick(low, high, run(4, 12, 20, 28)))
    for gap in (2, 1):
        total = builder.fadd(total, pick(total, total, [lane ^ gap for lane in range(LANES)]))
    return pick(total, total, [0, 4, 8, 12])


def _gradients(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    places, z, out = (Matrix(context, builder, sig.args[n], args[n]) for n in (0, 2, 6))
    features = args[4]
    n = features.type
    span = ir.Constant(n, WIDE * LANES)
    whole = builder.and_(features, ir.Constant(n, -WIDE * LANES))
    with cgutils.for_range_slice(builder, ir.Constant(n, 0), whole, span, n) as (column, _):
        _panel(builder, places, z, out, args, steps(builder, column, WIDE, LANES), None)
    with cgutils.for_range_slice(builder, whole, features, ir.Constant(n, LANES), n) as (column, _):
        mask = first_lanes(builder, builder.sub(features, column), LANES)
        _panel(builder, places, z, out, args, [column], mask)
    return context.get_dummy_value()


def _panel(builder: Any, places: Any, z: Any, out: Any, args: Any, columns: list[Any], mask: Any) -> None:
    vector, pointer = ir.VectorType(z.element, LANES), z.element.as_pointer()
    _, rows, _, j, _, add, _ = args
    classes = steps(builder, j, CLASSES)
    sums = [[cgutils.alloca_once(builder, vector, zfill=True) for _ in columns] for _ in classes]
    at = part_of(builder, out, args[4], j)
    targets = [(at(column, n), sums[n][v]) for n in range(CLASSES) for v, column in enumerate(columns)]
    with builder.if_then(add):
        for place, total in targets:
            builder.store(masked(builder, place, vector, None), total)
    with cgutils.for_range(builder, rows) as loop:
        row = builder.inttoptr(builder.load(places.at(loop.index)), pointer)
        values = [masked(builder, builder.gep(row, [column]), vector, mask) for column in columns]
        for c, totals in zip(classes, sums, strict=True):
            every = spread(builder, builder.load(z.at(c, loop.index)), vector)
            for value, total in zip(values, totals, strict=True):
                builder.store(fma(builder, every, value, builder.load(total)), total)
    for place, total in targets:
        keep(builder, builder.load(total), place)
