"""Jitted functions as typed values: a cached kernel takes them as arguments and stays cached.

Numba compiles a kernel anew, uncached, for each dispatcher that it is given. A value whose
type is a ``FunctionType`` is known by its signature alone, so one cached machine code serves
every function of that signature.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import typeof, types
from numba.core import cgutils
from numba.experimental.function_type import FunctionModel
from numba.extending import NativeValue, register_model, typeof_impl, unbox


class Kind(types.FunctionType):
    """The type of a function of one signature that is called at its address."""


register_model(Kind)(FunctionModel)


class Typed:
    """The jitted `function` at the types of `arguments`, returning `result`.

    Parameters
    ----------
    function : numba dispatcher
        Made by ``hpcfl.kernels.flags.jit`` or ``exact``; it must outlive this.
    result : str
        Name of the returned type, e.g. ``"float64"`` or ``"none"``.
    arguments : tuple
        Values like those it will be called with.
    """

    def __init__(self, function: Any, result: str, *arguments: Any) -> None:
        signature = getattr(types, result)(*[typeof(value) for value in arguments])
        function.compile(signature.args)
        found = function.get_compile_result(signature)
        self.address = int(found.library.get_pointer_to_function(found.fndesc.llvm_func_name))
        self.kind = Kind(signature)


def entry(kernel: Any, *arguments: Any) -> Callable[..., None]:
    """Return the jitted `kernel` for arguments of these types, which are not looked at again: that takes 5 us a call.

    Arrays must have the dtype and the layout of those given here; their number of dimensions is checked.
    """
    signature = tuple(typeof(value) for value in arguments)
    kernel.compile(signature)
    found: Callable[..., None] = kernel.get_compile_result(types.void(*signature)).entry_point
    return found


@typeof_impl.register(Typed)
def _kind(value: Typed, context: Any) -> Any:
    """Return the type."""
    return value.kind


@unbox(Kind)
def _function(kind: Any, value: Any, c: Any) -> NativeValue:
    """Take the address from the value: Numba's own way asks Python code for it, 5 us a function and call."""
    function = cgutils.create_struct_proxy(kind)(c.context, c.builder)
    address = c.pyapi.object_getattr_string(value, "address")
    function.jit_addr = c.pyapi.long_as_voidptr(address)
    c.pyapi.decref(address)
    return NativeValue(function._getvalue())
