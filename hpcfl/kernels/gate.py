"""Waiting for one another in memory that ranks share: a few loads and stores instead of messages."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from hpcfl.kernels.flags import exact
from hpcfl.kernels.vectors import Matrix

SPIN, PATIENCE = 1 << 12, 1 << 14  # looks, before the core is offered to others at each; before the caller gets it
_sched_yield = types.ExternalFunction("sched_yield", types.intc())


@exact
def meet(words, rank, turn):
    """Wait until every rank has come to its call number `turn`; what each wrote before, the others see after it.

    Returns False if that takes long: it is to be called again then, so that the caller may look after other things.

    In round k a rank says that it is there and waits for the one 2^k places before it (the dissemination barrier of
    Hensgen, Finkel and Manber 1988): after log2(ranks) rounds it has heard of all, if not from all.

    Parameters
    ----------
    words : (rounds, ranks, n) int64
        Zeros at first; the first word of each row is used, in a line of its own.
    rank : int
    turn : int
        One more at each call.
    """
    ranks = words.shape[1]
    for k in range(words.shape[0]):
        _put(words, k, rank, turn)
        other, looks = (rank - (1 << k) + ranks * words.shape[0]) % ranks, 0
        while _look(words, k, other) < turn:
            looks += 1
            if looks > SPIN:  # more ranks than cores, or one that is late
                _sched_yield()
            if looks > PATIENCE:
                return False
    return True


@intrinsic
def _put(typingctx: Any, words: Any, k: Any, rank: Any, value: Any) -> Any:
    """Store a word, after all that was written before."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store_atomic(args[3], _place(context, builder, sig, args), "release", 8)
        return context.get_dummy_value()

    return types.void(words, types.intp, types.intp, types.int64), emit


@intrinsic
def _look(typingctx: Any, words: Any, k: Any, rank: Any) -> Any:
    """Load a word, before all that is read after."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load_atomic(_place(context, builder, sig, args), "acquire", 8)

    return types.int64(words, types.intp, types.intp), emit


def _place(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    words = Matrix(context, builder, sig.args[0], args[0])
    return words.at(args[1], args[2], ir.Constant(args[2].type, 0))
