"""A vector as a matrix: what `reshape` gives, which calls a function that looks at strides, 30 ns each time."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array


@intrinsic
def matrix(typingctx: Any, v: Any, start: Any, rows: Any, columns: Any) -> Any:
    """Return the elements of the contiguous vector `v` from `start` on as a matrix (rows, columns)."""
    if v.layout != "C":
        raise TypingError("matrix: the vector is not contiguous")
    kind = types.Array(v.dtype, 2, "C", readonly=not v.mutable, aligned=v.aligned)
    return kind(v, types.intp, types.intp, types.intp), _emit


def _emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    source, out = make_array(sig.args[0])(context, builder, args[0]), make_array(sig.return_type)(context, builder)
    size = ir.Constant(args[3].type, context.get_abi_sizeof(context.get_data_type(sig.return_type.dtype)))
    populate_array(
        out,
        data=builder.gep(source.data, [args[1]]),
        shape=args[2:],
        strides=[builder.mul(args[3], size), size],
        itemsize=source.itemsize,
        meminfo=source.meminfo,
        parent=source.parent,
    )
    value = out._getvalue()
    context.nrt.incref(builder, sig.return_type, value)  # nothing for what is lent
    return value
