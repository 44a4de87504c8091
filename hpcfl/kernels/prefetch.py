"""Asking for rows ahead of their use: rows drawn at random lie where no hardware looks ahead."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from hpcfl.kernels.vectors import LINE, Matrix, ask


@intrinsic
def prefetch(typingctx: Any, x: Any, row: Any) -> Any:
    """Ask for a row of the matrix `x`."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        table, row = Matrix(context, builder, sig.args[0], args[0]), args[1]
        _lines(builder, table, row, ir.Constant(row.type, 0), table.shape[1])
        return context.get_dummy_value()

    return types.void(x, types.intp), emit


@intrinsic
def prefetch_run(typingctx: Any, v: Any, start: Any, stop: Any) -> Any:
    """Ask for the elements of the vector `v` from `start` to `stop`."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _lines(builder, Matrix(context, builder, sig.args[0], args[0]), None, *args[1:])
        return context.get_dummy_value()

    return types.void(v, types.intp, types.intp), emit


@intrinsic
def prefetch_rows(typingctx: Any, x: Any, rows: Any) -> Any:
    """Ask for the `rows` of `x`, a matrix or a CSR."""
    sparse = isinstance(x, types.BaseNamedTuple)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        numbers = Matrix(context, builder, sig.args[1], args[1])
        kinds, values = ([x], args[:1]) if not sparse else (x.types, cgutils.unpack_tuple(builder, args[0]))
        tables = [Matrix(context, builder, kind, value) for kind, value in zip(kinds, values, strict=True)]
        with cgutils.for_range(builder, numbers.shape[0]) as loop:
            row = builder.sext(builder.load(numbers.at(loop.index)), loop.index.type)
            if not sparse:
                _lines(builder, tables[0], row, ir.Constant(row.type, 0), tables[0].shape[1])
            else:
                starts = tables[x.fields.index("indptr")]
                start, stop = (builder.load(starts.at(builder.add(row, ir.Constant(row.type, n)))) for n in (0, 1))
                for name in ("indices", "data"):
                    _lines(builder, tables[x.fields.index(name)], None, start, stop)
        return context.get_dummy_value()

    return types.void(x, rows), emit


def _lines(builder: Any, array: Matrix, row: Any, start: Any, stop: Any) -> None:
    step = ir.Constant(start.type, LINE // array.size)
    with cgutils.for_range_slice(builder, start, stop, step, start.type) as (column, _):
        ask(builder, array.at(*([] if row is None else [row]), column))
