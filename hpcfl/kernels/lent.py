"""Arrays whose references a kernel does not count: in steps of a microsecond the counting takes as long as the sums."""

from __future__ import annotations

from typing import Any

from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array


@intrinsic
def lent(typingctx: Any, value: Any) -> Any:
    """Return an array, or a tuple with arrays in it, as one that has no owner.

    Numba counts each view of an array, atomically, so that its memory lives as long as the view does. What
    a kernel is given lives as long as the call, since the caller holds it. Neither it nor a view of it may be returned.
    """

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _lent(context, builder, sig.args[0], args[0])

    return value(value), emit


def _lent(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    if isinstance(kind, types.BaseTuple):
        parts: Any = kind
        for place, each in enumerate(parts.types):
            part = _lent(context, builder, each, builder.extract_value(value, place))
            value = builder.insert_value(value, part, place)
    elif isinstance(kind, types.Array):
        array = make_array(kind)(context, builder, value)
        for owner in ("meminfo", "parent"):
            setattr(array, owner, cgutils.get_null_value(getattr(array, owner).type))
        value = array._getvalue()
    return value
