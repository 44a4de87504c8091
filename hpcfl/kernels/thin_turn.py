"""The weights of softmax regression with the features side by side, and its gradient back: squares in registers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from hpcfl.kernels.tiles import least, steps
from hpcfl.kernels.vectors import Matrix, first_lanes, keep, masked, shuffle

LANES = 16  # of a vector of float32, which is two where the CPU's are shorter
CLASSES = 5  # of a tile


def single(emit: Any) -> Any:
    """Return what emits an intrinsic on float32 by `emit`, and nothing for float64, for which it is not called."""

    def emitted(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if types.float64 in [getattr(kind, "dtype", None) for kind in sig.args]:
            return cgutils.get_null_value(context.get_value_type(sig.return_type))
        return emit(context, builder, sig, args)

    return emitted


@intrinsic
def turn(typingctx, a, out):
    """Write the transpose of `a` (d, k) float32, k at most `LANES`, to `out`, in the order of `part_of`.

    What lies past the last class is 0, what lies past the last feature is the last one's.
    """
    return types.void(a, out), single(_turn)


@intrinsic
def turn_back(typingctx, a, out):
    """Write to `out` (d, k) float32 what `turn` would take to `a`."""
    return types.void(a, out), single(_turn_back)


def part_of(builder: Any, array: Matrix, features: Any, j: Any) -> Callable[[Any, int], Any]:
    """Return what tells the address of a vector of class `j` + n, from a multiple of `LANES` features on.

    Vectors of `CLASSES` classes lie side by side, then those of the next features: a tile reads what is in one place.
    """
    across = builder.and_(builder.add(features, ir.Constant(j.type, LANES - 1)), ir.Constant(j.type, -LANES))
    start = array.at(builder.mul(across, j))

    def at(column: Any, n: int) -> Any:
        place = builder.mul(column, ir.Constant(j.type, CLASSES))
        return builder.gep(start, [builder.add(place, ir.Constant(j.type, n * LANES))])

    return at


def _turn(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    a, out = (Matrix(context, builder, sig.args[n], args[n]) for n in range(2))
    vector, zero = ir.VectorType(a.element, LANES), ir.Constant(a.shape[0].type, 0)
    mask = first_lanes(builder, a.shape[1], LANES)
    places = _classes(builder, out, a.shape[0])
    for first, features in _squares(builder, a.shape[0]):
        columns = transposed(builder, [a.load(r, zero, vector, mask) for r in features])
        columns += [ir.Constant(vector, None)] * (len(places) - LANES)
        for value, place in zip(columns, places, strict=True):
            keep(builder, value, place(first))
    return context.get_dummy_value()


def _turn_back(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    a, out = (Matrix(context, builder, sig.args[n], args[n]) for n in range(2))
    vector, zero = ir.VectorType(a.element, LANES), ir.Constant(a.shape[0].type, 0)
    mask = first_lanes(builder, out.shape[1], LANES)
    places = _classes(builder, a, out.shape[0])
    for first, features in _squares(builder, out.shape[0]):
        rows = transposed(builder, [masked(builder, place(first), vector, None) for place in places[:LANES]])
        for value, r in reversed(list(zip(rows, features, strict=True))):  # the last feature's own row comes last
            out.store(value, r, zero, mask)
    return context.get_dummy_value()


def _classes(builder: Any, array: Matrix, features: Any) -> list[Callable[[Any], Any]]:
    """Return what tells the address of a vector of each class."""
    parts = [part_of(builder, array, features, ir.Constant(features.type, j)) for j in range(0, LANES, CLASSES)]
    return [lambda column, at=at, n=n: at(column, n) for at in parts for n in range(CLASSES)]  # type: ignore[misc]


def _squares(builder: Any, features: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Yield once, inside a loop over squares: its first feature, and all, of which those past the last are the last."""
    n = features.type
    last = builder.sub(features, ir.Constant(n, 1))
    with cgutils.for_range_slice(builder, ir.Constant(n, 0), features, ir.Constant(n, LANES), n) as (first, _):
        yield first, [least(builder, r, last) for r in steps(builder, first, LANES)]


def transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Return the columns of a square whose rows are `LANES` vectors."""
    pick = lambda a, b, lanes: shuffle(builder, a, b, lanes)  # noqa: E731
    inner = []  # squares of four by four: lanes 4 l to 4 l + 3 of inner[4 g + j] are column 4 l + j of rows 4 g onwards
    for a, b, c, d in zip(*[iter(rows)] * 4, strict=True):
        low, high = ([4 * g + q + n for g in range(4) for q in part for n in (0, LANES)] for part in ((0, 1), (2, 3)))
        ab, cd = ((pick(p, q, low), pick(p, q, high)) for p, q in ((a, b), (c, d)))
        first, second = (
            [4 * g + q + n for g in range(4) for n in (0, LANES) for q in part] for part in ((0, 1), (2, 3))
        )
        inner += [pick(p, q, lanes) for p, q in zip(ab, cd, strict=True) for lanes in (first, second)]
    columns: list[Any] = [None] * LANES
    quarters = lambda *which: [4 * q + n for q in which for n in range(4)]  # noqa: E731
    for j in range(4):
        p, q, r, s = inner[j::4]
        for half in (0, 2):
            left, right = (pick(a, b, quarters(half, half + 1, half + 4, half + 5)) for a, b in ((p, q), (r, s)))
            columns[4 * half + j] = pick(left, right, quarters(0, 2, 4, 6))
            columns[4 * half + 4 + j] = pick(left, right, quarters(1, 3, 5, 7))
    return columns
